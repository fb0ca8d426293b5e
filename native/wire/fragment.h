#pragma once

#include <cstdint>

#include "packet/segment.h"
#include "wire/bytes.h"
#include "wire/ipv6.h"

namespace flatproxy::wire {

/// Where a fragment belongs in its packet.
struct FragmentPlace {
  uint32_t identification = 0;
  uint32_t offset = 0;  ///< bytes
  bool more = false;
};

/// Of a parsed frame that is a fragment (RFC 791 section 3.1, RFC 8200 section 4.5).
inline FragmentPlace fragment_of(const Segment* head) {
  const uint8_t* ip = head->data + head->l3_offset;
  if (head->family == 4) {
    const uint16_t word = load16(ip + 6);
    return {load16(ip + 4), (word & 0x1fffu) * 8, (word & 0x2000) != 0};
  }
  const uint32_t extensions = static_cast<uint32_t>(head->l4_offset - head->l3_offset) - kIpv6Size;
  const Extensions found = walk_extensions(ip[Ipv6View::kNextHeader], {ip + kIpv6Size, extensions});
  return {found.fragment.identification, found.fragment.offset, found.fragment.more};
}

}  // namespace flatproxy::wire
