#pragma once

#include "packet/buffers.h"
#include "packet/segment.h"
#include "wire/address.h"
#include "wire/ethernet.h"

namespace flatproxy {

/// A new frame with an Ethernet header and `length` bytes behind it, to be written at data + l3_offset. nullptr: the
/// pool is empty, or length is above kMaxBuiltLength.
Segment* build_frame(Buffers& buffers, const wire::Ethernet& ethernet, uint32_t length);
constexpr uint32_t kMaxBuiltLength = 1500;

/// An IP packet to be built: what its header says.
struct BuiltPacket {
  wire::Address source;
  wire::Address destination;
  uint8_t protocol = 0;
  uint8_t hop_limit = 64;
  uint8_t traffic_class = 0;
};
/// Writes the IP header of a frame whose family, l3_offset and length are set, for `l4_length` bytes behind it.
void emit_ip(Segment* frame, const BuiltPacket& packet, uint32_t l4_length);
/// build_frame() with the IP header in place, for `l4_length` bytes of L4 to be written at data + l4_offset.
Segment* build_packet(Buffers& buffers, const wire::Mac& from, const wire::Mac& to, uint16_t vlan,
                      const BuiltPacket& packet, uint32_t l4_length);

/// build_packet() back to the sender of a frame: its MACs swapped, its VLAN.
Segment* build_reply(Buffers& buffers, const Segment* frame, const BuiltPacket& packet, uint32_t l4_length);

/// Fills in the L4 checksum whose field is at data + l4_offset + checksum_field, and parses the frame so that its head
/// knows all about it. nullptr: the packet is none that may be on a wire (released).
Segment* finish_packet(Segment* frame, uint32_t checksum_field);

}  // namespace flatproxy
