#pragma once

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

/// Takes one from the hops left, of which there is more than one.
inline void take_hop(uint8_t* ip, uint8_t family) {
  if (family == 6) {
    --ip[7];
    return;
  }
  --ip[8];
  // RFC 1624, equation 3, for a word that falls by one as it lies in memory: TTL is the first byte of it.
  uint16_t checksum;
  std::memcpy(&checksum, ip + 10, 2);
  const uint32_t sum = uint32_t{checksum} + 1;
  checksum = static_cast<uint16_t>(sum + (sum >> 16));
  std::memcpy(ip + 10, &checksum, 2);
}

/// What a short frame was padded with is not part of its packet. (A large frame's length field may say nothing.)
inline void take_padding_off(Segment* frame) {
  if (frame->gso_size == 0) trim_to(frame, frame->l4_offset + frame->l4_length);
}

}  // namespace flatproxy
