#pragma once

#include "packet/segment.h"
#include "wire/bytes.h"

namespace flatproxy::wire {

// Explicit congestion notification: the two low bits of the traffic class (RFC 3168 section 5).
constexpr uint8_t kNotEcnCapable = 0, kEcnCapable1 = 1, kEcnCapable0 = 2, kCongestionExperienced = 3;

/// Of a parsed IP frame.
inline uint8_t ecn_of(const Segment* head) {
  const uint8_t* l3 = head->data + head->l3_offset;
  return static_cast<uint8_t>((head->family == 4 ? l3[1] : l3[1] >> 4) & 3);
}

}  // namespace flatproxy::wire
