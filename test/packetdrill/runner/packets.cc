#include "packets.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/protocol.h"
#include "wire/tcp.h"

namespace flatproxy::packetdrill {
namespace {

constexpr uint32_t kTimestampTolerance = 4;  // milliseconds

/// An IP packet's headers.
struct Read {
  wire::Address source;
  uint8_t ecn = 0;
  wire::Tcp tcp;
  uint32_t payload = 0;
};

Read read(const std::vector<uint8_t>& packet) {
  Read r;
  uint32_t header = wire::kIpv6Size;
  wire::Address destination;
  if (packet.at(0) >> 4 == 4) {
    const auto ip = wire::Ipv4::parse(packet);
    if (!ip) throw std::runtime_error("a malformed IPv4 packet was sent");
    header = ip->size();
    r.source = ip->source;
    destination = ip->destination;
    r.ecn = ip->traffic_class & 3;
  } else {
    const auto ip = wire::Ipv6::parse(packet);
    if (!ip) throw std::runtime_error("a malformed IPv6 packet was sent");
    r.source = ip->source;
    destination = ip->destination;
    r.ecn = ip->traffic_class & 3;
  }
  const wire::Bytes l4 = wire::Bytes(packet).subspan(header);
  const auto tcp = wire::Tcp::parse(l4);
  if (!tcp) throw std::runtime_error("a malformed TCP segment was sent");
  const auto length = static_cast<uint32_t>(l4.size());
  const uint64_t pseudo = wire::sum_pseudo_header(r.source, destination, wire::protocol::kTcp, length);
  if (!wire::sum_intact(wire::sum_bytes(l4.data(), length, pseudo))) throw std::runtime_error("a wrong checksum was sent");
  r.tcp = *tcp;
  r.payload = length - wire::TcpView{l4.data()}.header_length();
  return r;
}

std::string flags_text(uint8_t flags) {
  std::string text;
  const char* const letters = "FSRP.UEW";
  for (const int bit : {1, 0, 2, 3, 4, 5, 6, 7}) {
    if ((flags >> bit & 1) != 0) text += letters[bit];
  }
  return text.empty() ? "-" : text;
}

std::string options_text(const wire::TcpOptions& o) {
  std::string text;
  if (o.mss) text += " mss " + std::to_string(*o.mss);
  if (o.sack_permitted) text += " sackOK";
  if (o.timestamps) text += " TS " + std::to_string(o.timestamps->value) + " " + std::to_string(o.timestamps->echo);
  if (o.window_scale) text += " wscale " + std::to_string(*o.window_scale);
  for (int i = 0; i < o.sack_count; ++i) {
    text += " sack " + std::to_string(o.sack[static_cast<size_t>(i)].begin) + ":" +
            std::to_string(o.sack[static_cast<size_t>(i)].end);
  }
  return text;
}

sockaddr_storage socket_address(const wire::Address& address, uint16_t port) {
  sockaddr_storage storage{};
  if (address.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::memcpy(&v4->sin_addr, address.v4_bytes(), 4);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    std::memcpy(&v6->sin6_addr, address.bytes.data(), 16);
  }
  return storage;
}

}  // namespace

std::string describe(const std::vector<uint8_t>& packet) {
  const Read r = read(packet);
  return flags_text(r.tcp.flags) + " " + std::to_string(r.tcp.sequence) + "(" + std::to_string(r.payload) + ") ack " +
         std::to_string(r.tcp.acknowledgment) + " win " + std::to_string(r.tcp.window) + options_text(r.tcp.options);
}

Ends::Ends(bool ipv6)
    : ipv6_(ipv6),
      local_address_(*wire::Address::parse(ipv6 ? "fd3d:fa7b:d17d::1" : "192.168.0.1")),
      remote_address_(*wire::Address::parse(ipv6 ? "2001:db8::1" : "192.0.2.1")) {
  local_ = socket_address(local_address_, local_port_);
  remote_ = socket_address(remote_address_, 8080);
}

// The first segment that we send has our port and begins our numbers.
void Ends::learn(const wire::Tcp& tcp, const wire::Address& source) {
  if (known_ || (tcp.flags & wire::kSyn) == 0) return;
  known_ = true;
  local_first_ = tcp.sequence;
  local_address_ = source;
  local_port_ = tcp.source_port;
  remote_port_ = tcp.destination_port;
}

std::vector<uint8_t> Ends::packet(const wire::Tcp& tcp, uint32_t payload, uint8_t ecn) const {
  const uint32_t header = ipv6_ ? wire::kIpv6Size : wire::kIpv4Size;
  const uint32_t l4 = tcp.size() + payload;
  std::vector<uint8_t> bytes(header + l4);
  if (ipv6_) {
    wire::Ipv6{ecn, 0, static_cast<uint16_t>(l4), wire::protocol::kTcp, 64, remote_address_, local_address_}.emit(bytes);
  } else {
    wire::Ipv4 ip;
    ip.traffic_class = ecn;
    ip.total_length = static_cast<uint16_t>(header + l4);
    ip.protocol = wire::protocol::kTcp;
    ip.source = remote_address_;
    ip.destination = local_address_;
    ip.emit(bytes);
  }
  tcp.emit(wire::MutableBytes(bytes).subspan(header));
  const uint64_t pseudo = wire::sum_pseudo_header(remote_address_, local_address_, wire::protocol::kTcp, l4);
  wire::store16(&bytes[header + wire::TcpView::kChecksum],
                wire::finish(wire::sum_bytes(&bytes[header], l4, pseudo)));
  return bytes;
}

std::vector<uint8_t> Ends::inbound(const ScriptSegment& s) const {
  wire::Tcp tcp;
  tcp.source_port = remote_port_;
  tcp.destination_port = local_port_;
  tcp.sequence = s.begin + remote_first_;
  tcp.flags = s.flags;
  if ((s.flags & wire::kAck) != 0) tcp.acknowledgment = s.ack + local_first_;
  tcp.window = s.window.value_or(0);
  tcp.options = s.options;
  for (wire::SackBlock& block : tcp.options.sack) {
    block.begin += local_first_;
    block.end += local_first_;
  }
  if (tcp.options.timestamps && tcp.options.timestamps->echo != 0) {
    tcp.options.timestamps->echo += timestamp_offset_.value_or(0);
  }
  return packet(tcp, s.length, s.ecn.value_or(0));
}

// The router's error quotes our packet's IP header and eight bytes more.
std::vector<uint8_t> Ends::too_big(const ScriptTooBig& error) const {
  const uint32_t header = ipv6_ ? wire::kIpv6Size : wire::kIpv4Size;
  std::vector<uint8_t> quoted(header + 8);
  const auto quoted_length = static_cast<uint16_t>(1500);
  if (ipv6_) {
    wire::Ipv6{0, 0, quoted_length, wire::protocol::kTcp, 64, local_address_, remote_address_}.emit(quoted);
  } else {
    wire::Ipv4 ip;
    ip.total_length = quoted_length;
    ip.protocol = wire::protocol::kTcp;
    ip.source = local_address_;
    ip.destination = remote_address_;
    ip.emit(quoted);
  }
  wire::store16(&quoted[header], local_port_);
  wire::store16(&quoted[header + 2], remote_port_);
  wire::store32(&quoted[header + 4], error.sequence + local_first_);

  std::vector<uint8_t> icmp(8);
  icmp[0] = ipv6_ ? 2 : 3;
  icmp[1] = ipv6_ ? 0 : 4;
  if (ipv6_) {
    wire::store32(&icmp[4], error.mtu);
  } else {
    wire::store16(&icmp[6], error.mtu);
  }
  icmp.insert(icmp.end(), quoted.begin(), quoted.end());
  const uint8_t protocol = ipv6_ ? wire::protocol::kIcmp6 : wire::protocol::kIcmp;
  const auto length = static_cast<uint32_t>(icmp.size());
  const uint64_t pseudo = ipv6_ ? wire::sum_pseudo_header(remote_address_, local_address_, protocol, length) : 0;
  wire::store16(&icmp[2], wire::finish(wire::sum_bytes(icmp.data(), length, pseudo)));

  std::vector<uint8_t> bytes(header);
  if (ipv6_) {
    wire::Ipv6{0, 0, static_cast<uint16_t>(length), protocol, 64, remote_address_, local_address_}.emit(bytes);
  } else {
    wire::Ipv4 ip;
    ip.total_length = static_cast<uint16_t>(header + length);
    ip.protocol = protocol;
    ip.source = remote_address_;
    ip.destination = local_address_;
    ip.emit(bytes);
  }
  bytes.insert(bytes.end(), icmp.begin(), icmp.end());
  return bytes;
}

uint32_t Ends::compare(const std::vector<uint8_t>& packet, const ScriptSegment& wanted, uint32_t covered) {
  const Read got = read(packet);
  learn(got.tcp, got.source);
  const auto differ = [&](const std::string& what) { throw std::runtime_error(what + ": sent " + describe(packet)); };
  const bool first = covered == 0;
  const bool last = covered + got.payload >= wanted.length;
  // Of segments that are joined PSH and FIN stand in the last one, CWR in the first one.
  uint8_t flags = wanted.flags;
  if (!last) flags &= static_cast<uint8_t>(~(wire::kPsh | wire::kFin));
  if (!first) flags &= static_cast<uint8_t>(~wire::kCwr);
  if (got.tcp.flags != flags) differ("flags are not " + flags_text(flags));
  // A reset for a connection that is not known has the number that the other side has acknowledged.
  if (got.tcp.sequence != wanted.begin + covered + local_first_) differ("the sequence number is another");
  if (got.payload > wanted.length - covered) differ("longer than expected");
  if ((wanted.flags & wire::kAck) != 0 && got.tcp.acknowledgment != wanted.ack + remote_first_) {
    differ("the acknowledgment is another");
  }
  if (wanted.window && got.tcp.window != *wanted.window) differ("the window is another");
  if (wanted.ecn && got.ecn != *wanted.ecn) differ("the ECN bits are " + std::to_string(got.ecn));
  if (wanted.any_options) return got.payload;

  wire::TcpOptions options = got.tcp.options;
  for (uint8_t i = 0; i < options.sack_count; ++i) {
    options.sack[i].begin -= remote_first_;
    options.sack[i].end -= remote_first_;
  }
  if (options.timestamps && wanted.options.timestamps) {
    if (!timestamp_offset_) timestamp_offset_ = options.timestamps->value - wanted.options.timestamps->value;
    const uint32_t value = options.timestamps->value - *timestamp_offset_;
    if (value - wanted.options.timestamps->value + kTimestampTolerance > 2 * kTimestampTolerance) {
      differ("the timestamp is " + std::to_string(value));
    }
    options.timestamps->value = wanted.options.timestamps->value;
  }
  if (!(options == wanted.options)) differ("options are not" + options_text(wanted.options));
  return got.payload;
}

}  // namespace flatproxy::packetdrill
