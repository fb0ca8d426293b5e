#pragma once

#include "packet/segment.h"
#include "wire/icmp.h"
#include "wire/protocol.h"

namespace flatproxy {

// Kinds of parsed IP packets, by which the flow stage carries them.

/// Whether the packet is an ICMP echo: the kind of ICMP that makes flows.
inline bool is_echo(const Segment* frame) {
  const bool icmp = frame->protocol == wire::protocol::kIcmp || frame->protocol == wire::protocol::kIcmp6;
  return icmp && (frame->flags & kLaterFragment) == 0 &&
         wire::icmp_is_echo(frame->family, frame->data[frame->l4_offset]);
}

inline bool is_tcp_or_udp(const Segment* frame) {
  return frame->protocol == wire::protocol::kTcp || frame->protocol == wire::protocol::kUdp;
}

/// A fragment that has not been given its flow's ports yet.
inline bool is_unplaced_fragment(const Segment* frame) {
  return (frame->flags & (kFirstFragment | kLaterFragment)) != 0 && (frame->flags & kFragmentPlaced) == 0;
}

}  // namespace flatproxy
