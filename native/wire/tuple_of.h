#pragma once

#include "packet/segment.h"
#include "packet/tuple.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace flatproxy::wire {

inline Address source_of(const Segment* head) {
  const uint8_t* l3 = head->data + head->l3_offset;
  return head->family == 4 ? Address::from_v4(l3 + Ipv4View::kSource) : Address::from_v6(l3 + Ipv6View::kSource);
}
inline Address destination_of(const Segment* head) {
  const uint8_t* l3 = head->data + head->l3_offset;
  return head->family == 4 ? Address::from_v4(l3 + Ipv4View::kDestination)
                           : Address::from_v6(l3 + Ipv6View::kDestination);
}

/// The tuple of a parsed IP frame (family 4 or 6). Of a later fragment it is the flow's once l4_ports were learned.
inline Tuple tuple_of(const Segment* head) {
  return {source_of(head),
          destination_of(head),
          static_cast<uint16_t>(head->l4_ports >> 16),
          static_cast<uint16_t>(head->l4_ports),
          head->protocol,
          head->family};
}

/// tuple_of().reversed(): that of what answers the frame. Put together in its order, not copied: it is looked up at
/// once, and what was just written is slow to copy.
inline Tuple answer_tuple_of(const Segment* head) {
  return {destination_of(head),
          source_of(head),
          static_cast<uint16_t>(head->l4_ports),
          static_cast<uint16_t>(head->l4_ports >> 16),
          head->protocol,
          head->family};
}

/// The tuple of a frame of family 4.
inline TupleV4 tuple_v4_of(const Segment* head) {
  return {load64_raw(head->data + head->l3_offset + Ipv4View::kSource), head->l4_ports, head->protocol};
}

}  // namespace flatproxy::wire
