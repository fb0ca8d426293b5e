#pragma once

#include <algorithm>

#include "packet/frame.h"
#include "wire/protocol.h"
#include "wire/roce.h"
#include "wire/udp.h"

namespace flatproxy::wire {

/// Whether a parsed frame is UDP to RoCEv2's port. Fragments are not: RoCEv2 has none (annex A17.3.2: DF is set).
inline bool is_to_roce_port(const Segment* head) {
  return head->protocol == protocol::kUdp && (head->l4_ports & 0xffff) == kRocePort &&
         (head->flags & (kFirstFragment | kLaterFragment)) == 0;
}

/// The base transport header of a parsed frame that is_to_roce_port(), contiguous in its head then with as much of what
/// is behind it as is_roce_nak() asks for. Empty: it has none.
inline Bytes roce_of(Segment* head) {
  const uint32_t size = load16(head->data + head->l4_offset + 4) - kUdpSize;
  const uint32_t wanted = std::min(size, kBthSize + kRdethSize + kAethSize);
  if (size < kBthSize || !pull_up(head, head->payload_offset + wanted)) return {};
  const Bytes bytes(head->data + head->payload_offset, wanted);
  return has_bth(bytes) ? bytes : Bytes{};
}

}  // namespace flatproxy::wire
