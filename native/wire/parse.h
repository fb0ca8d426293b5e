#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "packet/reason.h"
#include "packet/segment.h"
#include "wire/bytes.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/protocol.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace flatproxy::wire {

/// Parses a received frame: Ethernet, one 802.1Q tag, ARP, IPv4, IPv6 and its extension headers, TCP, UDP, ICMP. On
/// true the head knows ether_type, family, vlan, the offsets, protocol, l4_length, l4_ports and the fragment flags, and
/// the headers up to payload_offset are contiguous in it. Of what is not known (EtherTypes, L4 protocols) only the
/// outside is judged: payload_offset is l4_offset, and without an IP header both are l3_offset. l4_ports are the
/// identifier twice for ICMP echo, 0 where there are no ports. False: `why` tells, and the frame must go no further.
/// Checksums: IPv4 header only, unless flags has kChecksumValid.
/// @param head flags, gso_size and lengths are the port's
bool parse_frame(Segment* head, Reason& why);

/// 1 for the first bytes of addresses that an ordinary packet does not have: 0.0.0.0/8, loopback, multicast and above.
constexpr std::array<uint8_t, 256> kOddFirstByte = [] {
  std::array<uint8_t, 256> odd{};
  for (unsigned i = 0; i < 256; ++i) odd[i] = i == 0 || i == 127 || i >= 224;
  return odd;
}();

/// Bit i: TCP flags i are nonsense.
constexpr uint64_t kNonsenseTcpFlags = [] {
  uint64_t bits = 0;
  for (uint8_t flags = 0; flags < 64; ++flags) bits |= uint64_t{tcp_flags_nonsense(flags)} << flags;
  return bits;
}();

/// The one's complement sum of an IPv4 header without options, given as it lies in memory, is that of an intact one.
inline bool header_sum_intact(uint64_t first, uint64_t second, uint32_t third) {
  uint64_t sum = first + second;
  sum += sum < first;
  sum += third;
  sum += sum < third;
  // Halves added to each other, with the carry, twice (RFC 1071 section 2).
  const auto half = static_cast<uint32_t>((sum + std::rotl(sum, 32)) >> 32);
  return (half + std::rotl(half, 16)) >> 16 == 0xffff;
}

/// What is known of an ordinary frame: untagged, from one MAC to a certain other one, IPv4 without options or
/// fragmentation, a real total length, unicast addresses, TCP or UDP with a header that fits.
struct OrdinaryPacket {
  uint64_t second;       ///< the IP header's bytes 8 to 15 as they lie in memory: TTL, protocol, checksum, source
  uint32_t destination;  ///< as it lies in memory
  uint32_t total;        ///< bytes of the IP packet
  uint32_t l4_header;    ///< bytes of the TCP or UDP header
  uint8_t protocol;
};

/// A frame's destination MAC and whether its source is a group (IEEE 802.3: the lowest bit of the first byte), as they
/// lie in memory: those of a frame to a MAC from a single station are start_of() that MAC.
inline uint64_t start_of(const uint8_t* frame) { return load64_raw(frame) & 0x0001ffffffffffff; }
inline uint64_t start_of(const Mac& to) {
  uint64_t start = 0;
  std::memcpy(&start, to.bytes.data(), to.bytes.size());
  return start;
}

/// A short way to what parse_frame() says of ordinary frames; reads only. False: anything else, good or bad, is
/// parse_frame()'s to judge.
/// @param to what the frame must be addressed to: start_of() a MAC
inline bool judge_ordinary_frame(const Segment* head, uint64_t to, OrdinaryPacket& packet) {
  constexpr uint32_t kL3 = kEthernetSize, kL4 = kL3 + kIpv4Size;
  // Of the first eight bytes: version and header length, MF and the offset.
  constexpr uint64_t kAsked = 0xff3f0000000000ff, kPlain = 0x45;
  const uint8_t* p = head->data;
  if (head->length < kL4 + kTcpSize) return false;
  const uint64_t first = load64_raw(p + kL3);
  const uint64_t second = load64_raw(p + kL3 + 8);
  const uint32_t third = load32_raw(p + kL3 + 16);
  if (load16(p + 12) != ether_type::kIpv4 || (first & kAsked) != kPlain || start_of(p) != to) return false;
  if ((kOddFirstByte[second >> 32 & 0xff] | kOddFirstByte[third & 0xff]) != 0) return false;
  const uint32_t total = __builtin_bswap16(static_cast<uint16_t>(first >> 16));
  if (total > head->frame_length - kL3 || total < kIpv4Size + kUdpSize) return false;
  if ((head->flags & kChecksumValid) == 0 && !header_sum_intact(first, second, third)) return false;
  const auto protocol = static_cast<uint8_t>(second >> 8);
  const uint32_t l4_length = total - kIpv4Size;
  uint32_t header = kUdpSize;
  if (protocol == protocol::kTcp) [[likely]] {
    header = static_cast<uint32_t>(p[kL4 + 12] >> 4) * 4;
    if (header < kTcpSize || header > l4_length || kL4 + header > head->length) return false;
    if ((kNonsenseTcpFlags >> (p[kL4 + 13] & 0x3f) & 1) != 0) return false;
  } else if (protocol == protocol::kUdp) {
    const uint32_t length = load16(p + kL4 + 4);
    if (length < kUdpSize || length > l4_length) return false;
  } else {
    return false;
  }
  packet = {second, third, total, header, protocol};
  return true;
}

/// Writes into the head what parse_frame() would.
inline void record(Segment* head, const OrdinaryPacket& packet) {
  constexpr uint32_t kL4 = kEthernetSize + kIpv4Size;
  head->flags &= static_cast<uint16_t>(~(kFirstFragment | kLaterFragment));
  head->l3_offset = kEthernetSize;
  head->l4_offset = kL4;
  head->payload_offset = static_cast<uint16_t>(kL4 + packet.l4_header);
  head->protocol = packet.protocol;
  head->family = 4;
  head->ether_type = ether_type::kIpv4;
  head->vlan = 0;
  head->l4_length = packet.total - kIpv4Size;
  head->l4_ports = load32(head->data + kL4);
}

}  // namespace flatproxy::wire
