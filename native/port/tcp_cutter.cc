#include "port/tcp_cutter.h"

#include <algorithm>

#include "packet/frame.h"
#include "wire/bytes.h"
#include "wire/checksum.h"

namespace flatproxy {
namespace {

constexpr uint32_t kEthernet = 14;
constexpr uint32_t kMaxTags = 2;
constexpr uint32_t kMaxExtensions = 8;
constexpr uint16_t kIpv4 = 0x0800;
constexpr uint16_t kIpv6 = 0x86dd;
constexpr uint16_t kVlan = 0x8100;
constexpr uint16_t kServiceVlan = 0x88a8;
constexpr uint8_t kTcp = 6;
constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kDestinationOptions = 60;
constexpr uint32_t kIpv6Header = 40;
constexpr uint32_t kTcpChecksum = 16;
constexpr uint8_t kFin = 0x01;
constexpr uint8_t kPsh = 0x08;
constexpr uint8_t kCwr = 0x80;

// A header's value, in host order, as an addend of a sum.
constexpr uint16_t addend(uint32_t host) { return __builtin_bswap16(static_cast<uint16_t>(host)); }

// A length whose 17th bit counts as well.
uint16_t length_addend(uint32_t length) { return addend((length & 0xffff) + (length >> 16)); }

void put16(uint8_t* to, uint32_t value) { wire::store16(to, static_cast<uint16_t>(value)); }

bool is_tag(uint16_t type) { return type == kVlan || type == kServiceVlan; }

}  // namespace

TcpCutter::TcpCutter(Segment* frame, uint32_t mtu, bool leave_checksum)
    : frame_(frame), leave_checksum_(leave_checksum) {
  if (frame->gso_size == 0 || !find_headers()) return;
  const uint32_t ip_headers = headers_ - l3_;
  if (frame->frame_length <= headers_ || mtu <= ip_headers) return;
  const uint32_t payload = frame->frame_length - headers_;
  const uint32_t per_packet = std::min<uint32_t>(frame->gso_size, mtu - ip_headers);
  packets_ = (payload + per_packet - 1) / per_packet;
  if (packets_ > kMaxPackets) return;
  per_packet_ = per_packet;
  pseudo_ = pseudo_sum();
  from_ = frame;
  from_offset_ = headers_;
}

bool TcpCutter::find_headers() {
  l3_ = kEthernet;
  if (!pull_up(frame_, l3_)) return false;
  uint16_t type = wire::load16(frame_->data + 12);
  for (uint32_t tags = 0; is_tag(type); ++tags, l3_ += 4) {
    if (tags == kMaxTags || !pull_up(frame_, l3_ + 4)) return false;
    type = wire::load16(frame_->data + l3_ + 2);
  }
  v6_ = type == kIpv6;
  if (!v6_ && type != kIpv4) return false;
  if (!pull_up(frame_, l3_ + (v6_ ? kIpv6Header : 20))) return false;
  const uint8_t* ip = frame_->data + l3_;
  if (ip[0] >> 4 != (v6_ ? 6 : 4)) return false;
  if (v6_) {
    if (!find_l4_of_v6()) return false;
  } else {
    const uint32_t length = (ip[0] & 15u) * 4;
    const bool fragment = (wire::load16(ip + 6) & 0x3fff) != 0;
    if (length < 20 || ip[9] != kTcp || fragment) return false;
    l4_ = l3_ + length;
  }
  if (!pull_up(frame_, l4_ + 20)) return false;
  const uint32_t tcp_length = (frame_->data[l4_ + 12] >> 4) * 4u;
  headers_ = l4_ + tcp_length;
  return tcp_length >= 20 && pull_up(frame_, headers_);
}

bool TcpCutter::find_l4_of_v6() {
  uint8_t next = frame_->data[l3_ + 6];
  l4_ = l3_ + kIpv6Header;
  for (uint32_t i = 0; i < kMaxExtensions && next != kTcp; ++i) {
    if (next != kHopByHop && next != kRouting && next != kDestinationOptions) return false;
    if (!pull_up(frame_, l4_ + 8)) return false;
    next = frame_->data[l4_];
    l4_ += (frame_->data[l4_ + 1] + 1u) * 8;
  }
  return next == kTcp;
}

uint32_t TcpCutter::pseudo_sum() const {
  const uint8_t* ip = frame_->data + l3_;
  if ((frame_->flags & kNeedsChecksum) != 0) {
    // The field holds the sum with the whole length; it also knows the final destination behind a routing header.
    const uint16_t length = length_addend(frame_->frame_length - l4_);
    return addend(wire::load16(frame_->data + l4_ + kTcpChecksum)) + uint32_t{static_cast<uint16_t>(~length)};
  }
  const uint64_t addresses = v6_ ? wire::sum_bytes(ip + 8, 32) : wire::sum_bytes(ip + 12, 8);
  return wire::fold(addresses + addend(kTcp));
}

Segment* TcpCutter::next(Buffers& buffers) {
  Segment* packet = buffers.small.allocate();
  if (packet == nullptr) return nullptr;
  const uint32_t at = next_ * per_packet_;
  const uint32_t payload = std::min(per_packet_, frame_->frame_length - headers_ - at);
  const Segment* const from = from_;
  const uint32_t from_offset = from_offset_;
  if (!append(packet, frame_->data, headers_, buffers) || !copy_payload(packet, payload, buffers)) {
    release(packet);
    from_ = from;
    from_offset_ = from_offset;
    return nullptr;
  }
  copy_knowledge(packet, frame_);
  packet->flags &= static_cast<uint16_t>(~(kGsoTcp4 | kGsoTcp6 | kGsoEcn | kNeedsChecksum | kChecksumValid));
  packet->gso_size = 0;
  packet->l4_length = headers_ - l4_ + payload;
  write_ip(packet->data + l3_, next_, payload);
  write_tcp(packet, next_);
  ++next_;
  return packet;
}

bool TcpCutter::copy_payload(Segment* packet, uint32_t n, Buffers& buffers) {
  while (n > 0) {
    while (from_offset_ >= from_->length) {
      from_offset_ -= from_->length;
      from_ = from_->next;
    }
    const uint32_t take = std::min(n, from_->length - from_offset_);
    if (!append(packet, from_->data + from_offset_, take, buffers)) return false;
    from_offset_ += take;
    n -= take;
  }
  return true;
}

void TcpCutter::write_ip(uint8_t* ip, uint32_t index, uint32_t payload) const {
  const uint32_t length = headers_ - l3_ + payload;
  if (v6_) {
    put16(ip + 4, length - kIpv6Header);
    return;
  }
  put16(ip + 2, length);
  put16(ip + 4, wire::load16(ip + 4) + index);
  put16(ip + 10, 0);
  put16(ip + 10, wire::finish(wire::sum_bytes(ip, l4_ - l3_)));
}

void TcpCutter::write_tcp(Segment* packet, uint32_t index) const {
  uint8_t* tcp = packet->data + l4_;
  wire::store32(tcp + 4, wire::load32(tcp + 4) + index * per_packet_);
  if (index + 1 < packets_) tcp[13] &= static_cast<uint8_t>(~(kFin | kPsh));
  if (index > 0) tcp[13] &= static_cast<uint8_t>(~kCwr);
  const uint64_t pseudo = pseudo_ + length_addend(packet->l4_length);
  if (leave_checksum_) {
    packet->flags |= kNeedsChecksum;
    packet->checksum_start = static_cast<uint16_t>(l4_);
    packet->checksum_offset = kTcpChecksum;
    put16(tcp + kTcpChecksum, addend(wire::fold(pseudo)));
    return;
  }
  put16(tcp + kTcpChecksum, 0);
  put16(tcp + kTcpChecksum, wire::finish(wire::sum_chain(packet, l4_, packet->l4_length, pseudo)));
}

void TcpCutter::drop_first(uint32_t n) {
  if (n == 0) return;
  const uint32_t gone = n * per_packet_;
  uint32_t left = gone;
  const uint32_t in_head = std::min(left, frame_->length - headers_);
  std::memmove(frame_->data + in_head, frame_->data, headers_);
  frame_->trim_front(in_head);
  left -= in_head;
  while (left > 0) {
    Segment* s = frame_->next;
    const uint32_t take = std::min(left, s->length);
    s->data += take;
    s->length -= take;
    frame_->frame_length -= take;
    left -= take;
    if (s->length == 0) {
      frame_->next = s->next;
      s->pool->give_back(s);
    }
  }
  const uint32_t payload = frame_->frame_length - headers_;
  uint8_t* tcp = frame_->data + l4_;
  write_ip(frame_->data + l3_, n, payload);
  wire::store32(tcp + 4, wire::load32(tcp + 4) + gone);
  tcp[13] &= static_cast<uint8_t>(~kCwr);
  frame_->l4_length = headers_ - l4_ + payload;
  if ((frame_->flags & kNeedsChecksum) == 0) return;
  put16(tcp + kTcpChecksum, addend(wire::fold(uint64_t{pseudo_} + length_addend(frame_->l4_length))));
}

}  // namespace flatproxy
