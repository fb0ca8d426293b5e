#pragma once

#include <cstdint>

#include "packet/segment.h"

namespace flatproxy {

/// What stands before each frame on a tap's file descriptor (virtio 1.2, 5.1.6; fields in host order).
struct VnetHeader {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t header_length;    ///< how much of the frame the receiver shall keep contiguous
  uint16_t gso_size;         ///< payload bytes per wire segment
  uint16_t checksum_start;   ///< offset of the first byte summed
  uint16_t checksum_offset;  ///< of the checksum field, from checksum_start
  uint16_t buffers;          ///< unused by taps
};
static_assert(sizeof(VnetHeader) == 12);

/// Moves what the header says into the frame's head, whose data and lengths are set already.
/// False: the header contradicts the frame, which cannot be used.
bool vnet_parse(const VnetHeader& header, Segment* head);

/// The header that tells the kernel what the frame's head says.
VnetHeader vnet_emit(const Segment* head);

}  // namespace flatproxy
