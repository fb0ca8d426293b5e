#pragma once

#include <cstdint>

#include "packet/segment.h"

namespace flatproxy {

/// The ones' complement sum of RFC 1071, of 16-bit words as they lie in memory: an odd last byte is padded with zero,
/// and what is stored back needs no byte order. Sums stay unfolded until they are stored.
uint64_t ones_sum(const uint8_t* bytes, uint32_t n, uint64_t sum = 0);

/// The sum over the frame's bytes from `offset` (at most frame_length) to its end, across segment borders.
uint64_t ones_sum(const Segment* head, uint32_t offset, uint64_t sum = 0);

/// A word of a header, in host order, as an addend.
constexpr uint16_t in_memory_order(uint16_t host) { return __builtin_bswap16(host); }

constexpr uint16_t fold(uint64_t sum) {
  sum = (sum & 0xffffffffu) + (sum >> 32);
  sum = (sum & 0xffffu) + (sum >> 16 & 0xffffu) + (sum >> 32);
  sum = (sum & 0xffffu) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffffu) + (sum >> 16));
}

/// The checksum of a finished sum, as it is stored.
constexpr uint16_t checksum(uint64_t sum) { return static_cast<uint16_t>(~fold(sum)); }

}  // namespace flatproxy
