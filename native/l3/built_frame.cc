#include "l3/built_frame.h"

#include "packet/frame.h"
#include "packet/reason.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/parse.h"

namespace flatproxy {
namespace {

std::optional<wire::VlanTag> tag(uint16_t vlan) {
  if (vlan == 0) return std::nullopt;
  return wire::VlanTag{vlan, 0, false};
}

}  // namespace

Segment* build_frame(Buffers& buffers, const wire::Ethernet& ethernet, uint32_t length) {
  if (length > kMaxBuiltLength) return nullptr;
  Segment* frame = buffers.small.allocate();
  if (frame == nullptr) return nullptr;
  frame->length = frame->frame_length = ethernet.size() + length;
  ethernet.emit({frame->data, frame->length});
  frame->l3_offset = static_cast<uint16_t>(ethernet.size());
  frame->port = 0;
  frame->hash = 0;
  return frame;
}

Segment* build_packet(Buffers& buffers, const wire::Mac& from, const wire::Mac& to, uint16_t vlan,
                      const BuiltPacket& packet, uint32_t l4_length) {
  const bool v4 = packet.destination.is_v4();
  const uint16_t type = v4 ? wire::ether_type::kIpv4 : wire::ether_type::kIpv6;
  const uint32_t header = v4 ? wire::kIpv4Size : wire::kIpv6Size;
  Segment* frame = build_frame(buffers, {to, from, tag(vlan), type}, header + l4_length);
  if (frame == nullptr) return nullptr;
  frame->family = v4 ? 4 : 6;
  frame->l4_offset = static_cast<uint16_t>(frame->l3_offset + header);
  emit_ip(frame, packet, l4_length);
  return frame;
}

Segment* build_reply(Buffers& buffers, const Segment* frame, const BuiltPacket& packet, uint32_t l4_length) {
  const wire::Mac ours = wire::load_mac(frame->data);
  const wire::Mac theirs = wire::load_mac(frame->data + 6);
  Segment* reply = build_packet(buffers, ours, theirs, frame->vlan, packet, l4_length);
  if (reply == nullptr) return nullptr;
  reply->port = frame->port;
  return reply;
}

Segment* finish_packet(Segment* frame, uint32_t checksum_field) {
  Reason why;
  if (!wire::parse_frame(frame, why)) {
    release(frame);
    return nullptr;
  }
  uint8_t* field = frame->data + frame->l4_offset + checksum_field;
  wire::store16(field, 0);
  wire::store16(field, wire::finish(wire::sum_l4(frame)));
  return frame;
}

}  // namespace flatproxy
