#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "packet/frame.h"
#include "packet/segment.h"

namespace flatproxy {

// What a router reads and writes of a packet that it carries one hop further. Frames are parsed IP packets.

/// The TTL or hop limit that the packet came with.
inline uint8_t hops_left(const Segment* frame) { return frame->data[frame->l3_offset + (frame->family == 4 ? 8 : 7)]; }

/// Bytes of the IP packet; of the largest one if the frame is several on the wire.
inline uint32_t packet_size(const Segment* frame) {
  if (frame->gso_size != 0) return frame->payload_offset - frame->l3_offset + frame->gso_size;
  return frame->l4_offset - frame->l3_offset + frame->l4_length;
}

/// Bytes 8 to 11 of an IPv4 header (TTL, protocol, checksum) as they lie in memory, with one taken from the TTL, which
/// is above 1.
inline uint32_t take_hop_v4(uint32_t word) {
  // RFC 1624, equation 3: as one word falls by one (TTL is the first byte of it), the checksum rises by one, and by one
  // more if that overflows. TTL is the lowest byte, the checksum the two highest.
  static_assert(std::endian::native == std::endian::little);
  const uint64_t sum = uint64_t{word} - 1 + 0x10000;
  return static_cast<uint32_t>(sum + (sum >> 32 << 16));
}

/// Takes one from the hops left, of which there is more than one.
inline void take_hop(uint8_t* ip, uint8_t family) {
  if (family == 6) {
    --ip[7];
    return;
  }
  uint32_t word;
  std::memcpy(&word, ip + 8, 4);
  word = take_hop_v4(word);
  std::memcpy(ip + 8, &word, 4);
}

/// What a short frame was padded with is not part of its packet. (A large frame's length field may say nothing.)
inline void take_padding_off(Segment* frame) {
  if (frame->gso_size == 0) trim_to(frame, frame->l4_offset + frame->l4_length);
}

}  // namespace flatproxy
