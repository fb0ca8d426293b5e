#include "wire/parse.h"

#include "packet/frame.h"
#include "wire/address_rules.h"
#include "wire/arp.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/extensions_of.h"
#include "wire/icmp.h"
#include "wire/ipv6.h"
#include "wire/parse_l4.h"

namespace flatproxy::wire {
namespace {

constexpr uint32_t kMaxDatagram = 65535;

// What the IP header says about fragmentation.
struct Fragment {
  uint32_t offset = 0;
  bool more = false;
};

bool fail(Reason& why, Reason reason) {
  why = reason;
  return false;
}

// Duplicate address detection and what precedes an address (RFC 4862, RFC 3810), in ICMPv6.
bool comes_from_nameless(const Segment* head) {
  if (head->protocol != protocol::kIcmp6 || (head->flags & kLaterFragment) != 0) return false;
  const uint8_t type = head->data[head->l4_offset];
  return !icmp_is_error(6, type) && !icmp_is_echo(6, type);
}

// Places the fragment, judged by RFC 1858 and RFC 3128 for what may hide in front of an L4 header.
bool judge_fragment(Segment* head, const Fragment& fragment, Reason& why) {
  if (fragment.offset == 0 && !fragment.more) return true;
  const bool overlaps_header = fragment.offset != 0 && head->protocol == protocol::kTcp && fragment.offset < kTcpSize;
  if (head->l4_length == 0 || fragment.offset + head->l4_length > kMaxDatagram || overlaps_header ||
      (fragment.more && head->l4_length % 8 != 0)) {
    return fail(why, Reason::fragment_invalid);
  }
  head->flags |= fragment.offset == 0 ? kFirstFragment : kLaterFragment;
  return true;
}

bool parse_l4(Segment* head, Reason& why) {
  head->l4_ports = 0;
  head->payload_offset = head->l4_offset;
  if ((head->flags & kLaterFragment) != 0 || parse_l4_header(head, why)) return true;
  // A first fragment must hold its L4 header: RFC 1858, RFC 7112.
  const bool short_header =
      why == Reason::tcp_truncated || why == Reason::udp_truncated || why == Reason::icmp_truncated;
  if (short_header && (head->flags & kFirstFragment) != 0) why = Reason::fragment_invalid;
  return false;
}

// Bytes of the IP packet, or 0: the header's length is no good. Of a frame of several wire segments the field may be 0.
uint32_t packet_length(const Segment* head, uint32_t stated, uint32_t at_least) {
  const uint32_t available = head->frame_length - head->l3_offset;
  if (stated <= at_least && head->gso_size != 0 && (stated == 0 || at_least == kIpv6Size)) return available;
  return stated < at_least || stated > available ? 0 : stated;
}

bool parse_ipv4(Segment* head, Reason& why) {
  const uint32_t l3 = head->l3_offset;
  if (!pull_up(head, l3 + kIpv4Size)) return fail(why, Reason::ipv4_truncated);
  const Ipv4View ip{head->data + l3};
  const uint32_t header = ip.header_length();
  if (ip.version() != 4 || header < kIpv4Size) return fail(why, Reason::ipv4_header_invalid);
  if (!pull_up(head, l3 + header)) return fail(why, Reason::ipv4_truncated);
  if ((head->flags & kChecksumValid) == 0 && !sum_intact(sum_bytes(ip.p, header))) {
    return fail(why, Reason::ipv4_checksum_bad);
  }
  const uint32_t length = packet_length(head, ip.total_length(), header);
  if (length == 0) return fail(why, Reason::ipv4_length_invalid);
  if (!ipv4_options_acceptable({ip.p + kIpv4Size, header - kIpv4Size})) return fail(why, Reason::ipv4_header_invalid);
  head->family = 4;
  head->protocol = ip.protocol();
  head->l4_offset = static_cast<uint16_t>(l3 + header);
  head->l4_length = length - header;
  if (!judge_fragment(head, {ip.fragment_offset(), ip.more_fragments()}, why) || !parse_l4(head, why)) return false;
  if (!v4_source_valid(ip.source(), head->protocol, head->l4_ports)) return fail(why, Reason::source_invalid);
  return v4_destination_valid(ip.destination()) || fail(why, Reason::destination_invalid);
}

bool parse_ipv6(Segment* head, Reason& why) {
  const uint32_t l3 = head->l3_offset;
  if (!pull_up(head, l3 + kIpv6Size)) return fail(why, Reason::ipv6_truncated);
  const Ipv6View ip{head->data + l3};
  if (ip.version() != 6) return fail(why, Reason::ipv6_header_invalid);
  const uint32_t length = packet_length(head, kIpv6Size + ip.payload_length(), kIpv6Size);
  if (length == 0) return fail(why, Reason::ipv6_length_invalid);
  // A length of 0 in front of options is a jumbogram's (RFC 2675); it is not taken.
  if (ip.payload_length() == 0 && ip.next_header() == protocol::kHopByHop)
    return fail(why, Reason::ipv6_length_invalid);
  const Extensions found = extensions_of(head, l3, l3 + length);
  if (found.error != ExtensionError::none) return fail(why, Reason::ipv6_extension_invalid);
  head->family = 6;
  head->protocol = found.protocol;
  head->l4_offset = static_cast<uint16_t>(l3 + kIpv6Size + found.length);
  head->l4_length = length - kIpv6Size - found.length;
  if (!judge_fragment(head, {found.fragment.offset, found.fragment.more}, why) || !parse_l4(head, why)) return false;
  const Address source = ip.source();
  if (!v6_source_valid(source, source.unspecified() && comes_from_nameless(head)))
    return fail(why, Reason::source_invalid);
  return v6_destination_valid(ip.destination()) || fail(why, Reason::destination_invalid);
}

bool parse_arp(Segment* head, Reason& why) {
  if (!pull_up(head, head->l3_offset + kArpSize) || !Arp::parse({head->data + head->l3_offset, kArpSize})) {
    return fail(why, Reason::arp_malformed);
  }
  return true;
}

bool parse_ethernet(Segment* head, Reason& why) {
  constexpr uint16_t kReservedVlan = 0xfff;  // IEEE 802.1Q table 9-2
  if (!pull_up(head, kEthernetSize)) return fail(why, Reason::ethernet_truncated);
  const uint8_t* p = head->data;
  if ((p[6] & 1) != 0) return fail(why, Reason::source_invalid);
  head->ether_type = load16(p + 12);
  head->vlan = 0;
  head->l3_offset = kEthernetSize;
  if (head->ether_type != ether_type::kVlan) return true;
  if (!pull_up(head, kEthernetSize + kVlanTagSize)) return fail(why, Reason::ethernet_truncated);
  const VlanTag tag = VlanTag::from_control(load16(p + 14));
  if (tag.id == kReservedVlan) return fail(why, Reason::vlan_unknown);
  head->vlan = tag.id;
  head->ether_type = load16(p + 16);
  head->l3_offset = kEthernetSize + kVlanTagSize;
  return true;
}

}  // namespace

bool parse_frame(Segment* head, Reason& why) {
  head->flags &= static_cast<uint16_t>(~(kFirstFragment | kLaterFragment));
  if (!parse_ethernet(head, why)) return false;
  if (head->ether_type == ether_type::kIpv4) return parse_ipv4(head, why);
  if (head->ether_type == ether_type::kIpv6) return parse_ipv6(head, why);
  head->family = 0;
  head->protocol = 0;
  head->l4_offset = head->payload_offset = head->l3_offset;
  head->l4_length = head->frame_length - head->l3_offset;
  head->l4_ports = 0;
  return head->ether_type != ether_type::kArp || parse_arp(head, why);
}

}  // namespace flatproxy::wire
