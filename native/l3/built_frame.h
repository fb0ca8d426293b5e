#pragma once

#include "packet/buffers.h"
#include "packet/segment.h"
#include "wire/address.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

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
inline void emit_ip(Segment* frame, const BuiltPacket& packet, uint32_t l4_length) {
  const wire::MutableBytes out{frame->data + frame->l3_offset, frame->length - frame->l3_offset};
  if (frame->family == 4) {
    wire::Ipv4 ip;
    ip.traffic_class = packet.traffic_class;
    ip.total_length = static_cast<uint16_t>(wire::kIpv4Size + l4_length);
    ip.dont_fragment = true;  // so the identification may be anything (RFC 6864 section 4.1)
    ip.ttl = packet.hop_limit;
    ip.protocol = packet.protocol;
    ip.source = packet.source;
    ip.destination = packet.destination;
    ip.emit(out);
  } else {
    const auto length = static_cast<uint16_t>(l4_length);
    wire::Ipv6{packet.traffic_class, 0, length, packet.protocol, packet.hop_limit, packet.source, packet.destination}
        .emit(out);
  }
}

/// build_frame() with the IP header in place, for `l4_length` bytes of L4 to be written at data + l4_offset.
Segment* build_packet(Buffers& buffers, const wire::Mac& from, const wire::Mac& to, uint16_t vlan,
                      const BuiltPacket& packet, uint32_t l4_length);

/// build_packet() back to the sender of a frame: its MACs swapped, its VLAN.
Segment* build_reply(Buffers& buffers, const Segment* frame, const BuiltPacket& packet, uint32_t l4_length);

/// Fills in the L4 checksum whose field is at data + l4_offset + checksum_field, and parses the frame so that its head
/// knows all about it. nullptr: the packet is none that may be on a wire (released).
Segment* finish_packet(Segment* frame, uint32_t checksum_field);

}  // namespace flatproxy
