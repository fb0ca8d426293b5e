#pragma once

#include "packet/reason.h"
#include "packet/segment.h"
#include "wire/ipv4.h"
#include "wire/protocol.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace flatproxy::wire {

/// The whole of parse_frame(); the inline part takes the common case away from it.
bool parse_frame_slow(Segment* head, Reason& why);

// What an ordinary frame looks like: untagged, IPv4 without options or fragmentation, a real total length, ordinary
// unicast addresses, TCP or UDP with a header that fits. Anything else, good or bad, is for the slow path to judge.
inline bool parse_frame_fast(Segment* head) {
  constexpr uint32_t kL3 = 14, kL4 = kL3 + kIpv4Size;
  const uint8_t* p = head->data;
  if (head->length < kL4 + kTcpSize || load16(p + 12) != ether_type::kIpv4 || p[kL3] != 0x45 || (p[6] & 1) != 0)
    return false;
  const Ipv4View ip{p + kL3};
  const uint32_t total = ip.total_length();
  const uint8_t from = p[kL3 + Ipv4View::kSource];
  const uint8_t to = p[kL3 + Ipv4View::kDestination];
  if (ip.fragment() || total > head->frame_length - kL3 || total < kIpv4Size + kUdpSize) return false;
  if (from - 1u >= 223u || from == 127 || to - 1u >= 223u || to == 127) return false;
  if ((head->flags & kChecksumValid) == 0) {
    uint64_t sum = load64_raw(ip.p);
    sum = (sum & 0xffffffffu) + (sum >> 32) + load32_raw(ip.p + 8) + load32_raw(ip.p + 12) + load32_raw(ip.p + 16);
    sum = (sum & 0xffffu) + (sum >> 16 & 0xffffu) + (sum >> 32);
    sum = (sum & 0xffffu) + (sum >> 16);
    if (sum != 0xffff) return false;
  }
  const uint32_t l4_length = total - kIpv4Size;
  uint32_t header = kUdpSize;
  if (ip.protocol() == protocol::kTcp) {
    const TcpView tcp{p + kL4};
    header = tcp.header_length();
    if (header < kTcpSize || header > l4_length || kL4 + header > head->length || tcp_flags_nonsense(tcp.flags()))
      return false;
  } else if (ip.protocol() == protocol::kUdp) {
    const uint32_t length = load16(p + kL4 + 4);
    if (length < kUdpSize || length > l4_length) return false;
  } else {
    return false;
  }
  head->flags &= static_cast<uint16_t>(~(kFirstFragment | kLaterFragment));
  head->ether_type = ether_type::kIpv4;
  head->family = 4;
  head->vlan = 0;
  head->l3_offset = kL3;
  head->l4_offset = kL4;
  head->payload_offset = static_cast<uint16_t>(kL4 + header);
  head->protocol = ip.protocol();
  head->l4_length = l4_length;
  head->l4_ports = load32(p + kL4);
  return true;
}

/// Parses a received frame: Ethernet, one 802.1Q tag, ARP, IPv4, IPv6 and its extension headers, TCP, UDP, ICMP. On
/// true the head knows ether_type, family, vlan, the offsets, protocol, l4_length, l4_ports and the fragment flags, and
/// the headers up to payload_offset are contiguous in it. Of what is not known (EtherTypes, L4 protocols) only the
/// outside is judged: payload_offset is l4_offset, and without an IP header both are l3_offset. l4_ports are the
/// identifier twice for ICMP echo, 0 where there are no ports. False: `why` tells, and the frame must go no further.
/// Checksums: IPv4 header only, unless flags has kChecksumValid.
/// @param head flags, gso_size and lengths are the port's
inline bool parse_frame(Segment* head, Reason& why) {
  if (parse_frame_fast(head)) [[likely]]
    return true;
  return parse_frame_slow(head, why);
}

}  // namespace flatproxy::wire
