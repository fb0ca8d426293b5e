#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "packet/buffers.h"
#include "packet/frame.h"
#include "wire/arp.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace flatproxy::test {

inline wire::Address address(std::string_view text) { return wire::Address::parse(text).value(); }
inline std::vector<uint8_t> from_hex(std::string_view text) {
  std::vector<uint8_t> bytes;
  int high = -1;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) continue;
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<uint8_t>(high << 4 | digit));
      high = -1;
    }
  }
  return bytes;
}

/// Builds frames from the outside in: each call appends a header; bytes() fills in the lengths and checksums that were
/// left 0, and segment() makes a frame of it, split where wanted.
class FrameBuilder {
 public:
  static constexpr wire::Mac kClientMac{{2, 0, 0, 0, 0, 1}};
  static constexpr wire::Mac kOurMac{{2, 0, 0, 0, 0, 0xfe}};

  FrameBuilder& ethernet(uint16_t type, wire::Mac to = kOurMac, wire::Mac from = kClientMac) {
    ethernet_ = {to, from, std::nullopt, type};
    return *this;
  }
  FrameBuilder& vlan(uint16_t id) {
    ethernet_.vlan = wire::VlanTag{id, 0, false};
    return *this;
  }
  FrameBuilder& ipv4(std::string_view from, std::string_view to) {
    ethernet_.ether_type = wire::ether_type::kIpv4;
    ipv4_ = wire::Ipv4{};
    ipv4_->source = address(from);
    ipv4_->destination = address(to);
    return *this;
  }
  FrameBuilder& ipv6(std::string_view from, std::string_view to) {
    ethernet_.ether_type = wire::ether_type::kIpv6;
    ipv6_ = wire::Ipv6{};
    ipv6_->source = address(from);
    ipv6_->destination = address(to);
    return *this;
  }
  wire::Ipv4& v4() { return *ipv4_; }
  wire::Ipv6& v6() { return *ipv6_; }
  /// IPv6 extension headers as they are; `first` is the type of the first one, the last one names the protocol itself.
  FrameBuilder& extensions(uint8_t first, std::vector<uint8_t> bytes) {
    first_extension_ = first;
    extensions_ = std::move(bytes);
    return *this;
  }
  FrameBuilder& tcp(const wire::Tcp& header) {
    l4_.resize(header.size());
    header.emit(l4_);
    return protocol(wire::protocol::kTcp, 16);
  }
  FrameBuilder& tcp(uint16_t from, uint16_t to, uint8_t flags = wire::kAck) {
    wire::Tcp header;
    header.source_port = from;
    header.destination_port = to;
    header.flags = flags;
    return tcp(header);
  }
  FrameBuilder& udp(uint16_t from, uint16_t to, uint16_t length = 0) {
    l4_.resize(wire::kUdpSize);
    wire::Udp{from, to, length, 0}.emit(l4_);
    return protocol(wire::protocol::kUdp, 6);
  }
  FrameBuilder& icmp(uint8_t type, uint8_t code, uint32_t rest) {
    l4_.resize(wire::kIcmpSize);
    wire::Icmp{type, code, 0, rest}.emit(l4_);
    return protocol(ipv6_ ? wire::protocol::kIcmp6 : wire::protocol::kIcmp, 2);
  }
  FrameBuilder& protocol(uint8_t number, int checksum_at = -1) {
    protocol_ = number;
    checksum_at_ = checksum_at;
    return *this;
  }
  FrameBuilder& payload(size_t n, uint8_t byte = 0x5a) {
    l4_.insert(l4_.end(), n, byte);
    return *this;
  }
  FrameBuilder& payload(std::span<const uint8_t> bytes) {
    l4_.insert(l4_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  FrameBuilder& padding(size_t n) {
    padding_ = n;
    return *this;
  }

  /// The IP packet alone.
  std::vector<uint8_t> packet() const {
    std::vector<uint8_t> out;
    std::vector<uint8_t> l4 = l4_;
    if (protocol_ == wire::protocol::kUdp && l4.size() >= 8 && wire::load16(&l4[4]) == 0) {
      wire::store16(&l4[4], static_cast<uint16_t>(l4.size()));
    }
    fill_checksum(l4);
    if (ipv4_) {
      wire::Ipv4 header = *ipv4_;
      header.protocol = protocol_;
      if (header.total_length == 0) header.total_length = static_cast<uint16_t>(header.size() + l4.size());
      out.resize(header.size());
      header.emit(out);
    } else if (ipv6_) {
      wire::Ipv6 header = *ipv6_;
      header.next_header = extensions_.empty() ? protocol_ : first_extension_;
      if (header.payload_length == 0) header.payload_length = static_cast<uint16_t>(extensions_.size() + l4.size());
      out.resize(wire::kIpv6Size);
      header.emit(out);
      out.insert(out.end(), extensions_.begin(), extensions_.end());
    }
    out.insert(out.end(), l4.begin(), l4.end());
    return out;
  }
  std::vector<uint8_t> bytes() const {
    std::vector<uint8_t> out(ethernet_.size());
    ethernet_.emit(out);
    const std::vector<uint8_t> inside = packet();
    out.insert(out.end(), inside.begin(), inside.end());
    out.insert(out.end(), padding_, 0);
    return out;
  }

 private:
  void fill_checksum(std::vector<uint8_t>& l4) const {
    if (checksum_at_ < 0 || l4.size() < static_cast<size_t>(checksum_at_) + 2) return;
    const auto length = static_cast<uint32_t>(l4.size());
    uint64_t sum = 0;
    if (ipv6_) sum = wire::sum_pseudo_header(ipv6_->source, ipv6_->destination, protocol_, length);
    if (ipv4_ && protocol_ != wire::protocol::kIcmp) {
      sum = wire::sum_pseudo_header(ipv4_->source, ipv4_->destination, protocol_, length);
    }
    // The sum of UDP includes the length field that packet() has filled in.
    const uint16_t checksum = wire::finish(wire::sum_bytes(l4.data(), l4.size(), sum));
    wire::store16(&l4[static_cast<size_t>(checksum_at_)], checksum);
  }

  wire::Ethernet ethernet_{kOurMac, kClientMac, std::nullopt, 0};
  std::optional<wire::Ipv4> ipv4_;
  std::optional<wire::Ipv6> ipv6_;
  uint8_t first_extension_ = 0;
  std::vector<uint8_t> extensions_;
  std::vector<uint8_t> l4_;
  uint8_t protocol_ = 0xfd;  // RFC 3692: for experiments
  int checksum_at_ = -1;
  size_t padding_ = 0;
};

/// Frames out of bytes, in pools of its own.
class Frames {
 public:
  Buffers buffers{64, 16};

  /// @param splits lengths of the segments in front of the last one, or of the last ones if the rest fits no segment
  Segment* make(std::span<const uint8_t> bytes, std::span<const uint32_t> splits = {}) {
    std::vector<size_t> pieces;
    size_t left = bytes.size();
    for (const uint32_t split : splits) {
      pieces.push_back(std::min<size_t>(split, left));
      left -= pieces.back();
    }
    for (; left > Buffers::kLargeCapacity; left -= Buffers::kLargeCapacity) pieces.push_back(Buffers::kLargeCapacity);
    pieces.push_back(left);
    Segment* head = nullptr;
    Segment* last = nullptr;
    const uint8_t* from = bytes.data();
    for (const size_t n : pieces) {
      Segment* s = (n > 2048 ? buffers.large : buffers.small).allocate(n > 2048 ? 0 : kHeadroom);
      std::memcpy(s->data, from, n);
      s->length = static_cast<uint32_t>(n);
      (last == nullptr ? head : last->next) = s;
      last = s;
      from += n;
    }
    head->frame_length = static_cast<uint32_t>(bytes.size());
    head->flags = 0;
    return head;
  }
  Segment* make(const FrameBuilder& builder) { return make(builder.bytes()); }

  static std::vector<uint8_t> bytes_of(const Segment* head) {
    std::vector<uint8_t> bytes(head->frame_length);
    copy_out(head, 0, bytes.data(), head->frame_length);
    return bytes;
  }
};

}  // namespace flatproxy::test
