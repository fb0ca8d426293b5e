#pragma once

#include "packet/reason.h"
#include "packet/segment.h"
#include "port/port.h"
#include "wire/ethernet.h"
#include "wire/protocol.h"
#include "wire/tuple_of.h"

namespace flatproxy {

/// Whether a parsed IP frame is for more than one host.
inline bool is_to_many(const Segment* frame) {
  const uint8_t* ip = frame->data + frame->l3_offset;
  if ((frame->data[0] & 1) != 0) return true;
  return frame->family == 4 ? ip[16] >= 224 : ip[24] == 0xff;
}

/// Why a parsed frame, no link message, may not have to go on from a port that it came by; `forwarded`: it may.
inline Reason refusal_of(const Segment* frame, const PortInfo& port) {
  if (frame->family == 0) return Reason::ether_type_unknown;
  if (is_to_many(frame)) return Reason::multicast_ignored;
  const bool for_us = port.takes_any_mac || wire::load_mac(frame->data) == port.mac;
  return for_us ? Reason::forwarded : Reason::not_for_us;
}

/// Whether a frame between joined ports, in which no valid IP packet was found, may carry one all the same, past all
/// policies; `why` is what it ends in then. @param parsed the frame is valid, but none of IP
inline bool hides_ip(const Segment* frame, bool parsed, Reason& why) {
  using namespace wire::ether_type;
  const uint16_t type = frame->ether_type;
  if (!parsed) return why != Reason::ethernet_truncated && why != Reason::arp_malformed;
  const bool tagged = type == kVlan || type == kServiceVlan || type == kOldServiceVlan;
  const bool other = type == kMpls || type == kMplsMulticast || type == kPppoe;
  why = tagged ? Reason::vlan_unknown : Reason::ether_type_unknown;
  return tagged || other;
}

}  // namespace flatproxy
