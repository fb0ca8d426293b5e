#include "wire/parse.h"

#include <gtest/gtest.h>

#include <random>

#include "wire/tuple_of.h"
#include "wire_frames.h"

namespace flatproxy::wire {
namespace {

using test::address;
using test::FrameBuilder;
using test::from_hex;

struct Parsed {
  bool ok = false;
  Reason why = Reason::count;
  Segment head{};
  Tuple tuple;
};

Parsed parse_bytes(const std::vector<uint8_t>& bytes, uint16_t gso_size = 0, uint16_t flags = 0,
                   std::span<const uint32_t> splits = {}) {
  static test::Frames frames;
  Segment* head = frames.make(bytes, splits);
  head->gso_size = gso_size;
  head->flags = flags;
  Parsed result;
  result.ok = parse_frame(head, result.why);
  result.head = *head;
  if (result.ok && head->family != 0) result.tuple = tuple_of(head);
  release(head);
  return result;
}

Parsed parse(const FrameBuilder& builder, uint16_t gso_size = 0, uint16_t flags = 0) {
  return parse_bytes(builder.bytes(), gso_size, flags);
}

void expect_reason(const FrameBuilder& builder, Reason reason) {
  const Parsed parsed = parse(builder);
  EXPECT_FALSE(parsed.ok);
  EXPECT_EQ(info(parsed.ok ? Reason::forwarded : parsed.why).name, info(reason).name);
}

FrameBuilder v4() { return FrameBuilder().ipv4("10.0.0.1", "10.0.0.2"); }
FrameBuilder v6() { return FrameBuilder().ipv6("2001:db8::1", "2001:db8::2"); }

TEST(Parse, TcpOverIpv4) {
  for (const size_t padding : {0u, 6u}) {
    const Parsed parsed = parse(v4().tcp(1234, 80).padding(padding));
    ASSERT_TRUE(parsed.ok);
    EXPECT_EQ(parsed.head.ether_type, ether_type::kIpv4);
    EXPECT_EQ(parsed.head.family, 4);
    EXPECT_EQ(parsed.head.l3_offset, 14);
    EXPECT_EQ(parsed.head.l4_offset, 34);
    EXPECT_EQ(parsed.head.payload_offset, 54);
    EXPECT_EQ(parsed.head.l4_length, 20u);
    EXPECT_EQ(parsed.head.vlan, 0);
    EXPECT_EQ(parsed.tuple, (Tuple{address("10.0.0.1"), address("10.0.0.2"), 1234, 80, protocol::kTcp, 4}));
  }
}

// What the short way takes, the whole parser takes, with the same result.
TEST(Parse, ShortWayAgreesWithWholeParser) {
  std::mt19937 random(11);
  test::Frames frames;
  uint32_t taken = 0;
  for (int i = 0; i < 200000; ++i) {
    FrameBuilder builder =
        random() % 2 != 0 ? v4().tcp(1, 2).payload(random() % 30) : v4().udp(3, 4).payload(random() % 30);
    auto bytes = builder.padding(random() % 20).bytes();
    const auto changes = random() % 3;
    for (unsigned c = 0; c < changes; ++c) bytes[random() % 60 % bytes.size()] = static_cast<uint8_t>(random());
    Segment* a = frames.make(bytes);
    Segment* b = frames.make(bytes);
    a->flags = b->flags = random() % 2 != 0 ? kChecksumValid : 0;
    Reason why = Reason::count;
    OrdinaryPacket packet;
    if (judge_ordinary_frame(a, start_of(load_mac(a->data)), packet)) {
      record(a, packet);
      ++taken;
      ASSERT_TRUE(parse_frame(b, why)) << info(why).name;
      ASSERT_EQ(a->flags, b->flags);
      ASSERT_EQ(a->l4_offset, b->l4_offset);
      ASSERT_EQ(a->payload_offset, b->payload_offset);
      ASSERT_EQ(a->l4_length, b->l4_length);
      ASSERT_EQ(a->l4_ports, b->l4_ports);
      ASSERT_EQ(a->protocol, b->protocol);
      ASSERT_TRUE(a->family == b->family && a->vlan == b->vlan && a->ether_type == b->ether_type);
    }
    release(a);
    release(b);
  }
  EXPECT_GT(taken, 50000u);
}

TEST(Parse, ShortWayIsForOneDestination) {
  test::Frames frames;
  Segment* frame = frames.make(v4().tcp(1, 2).bytes());
  OrdinaryPacket packet;
  Mac to = load_mac(frame->data);
  EXPECT_TRUE(judge_ordinary_frame(frame, start_of(to), packet));
  to.bytes[5] ^= 1;
  EXPECT_FALSE(judge_ordinary_frame(frame, start_of(to), packet));
  to.bytes[5] ^= 1;
  frame->data[6] |= 1;
  EXPECT_FALSE(judge_ordinary_frame(frame, start_of(to), packet)) << "a group sends nothing";
  release(frame);
}

TEST(Parse, TcpOptionsAndIpv4Options) {
  Tcp header;
  header.flags = kSyn;
  header.options.mss = 1460;
  header.options.timestamps = {1, 2};
  FrameBuilder builder = v4().tcp(header);
  builder.v4().options_length = 8;
  builder.v4().options = {0x94, 4, 0, 0, 1, 1, 1, 0};
  const Parsed parsed = parse(builder);
  ASSERT_TRUE(parsed.ok);
  EXPECT_EQ(parsed.head.l4_offset, 42);
  EXPECT_EQ(parsed.head.payload_offset, 42 + 36);
}

TEST(Parse, VlanTag) {
  const Parsed parsed = parse(v4().vlan(42).udp(5353, 53));
  ASSERT_TRUE(parsed.ok);
  EXPECT_EQ(parsed.head.vlan, 42);
  EXPECT_EQ(parsed.head.l3_offset, 18);
  EXPECT_EQ(parsed.head.l4_ports, 5353u << 16 | 53u);
  EXPECT_EQ(parse(v4().vlan(0).udp(1, 2)).head.vlan, 0);
  expect_reason(v4().vlan(4095).udp(1, 2), Reason::vlan_unknown);
}

TEST(Parse, UnknownOuterTypesPass) {
  for (const uint16_t type : std::initializer_list<uint16_t>{0x88cc, 0x88a8, 0x0026, 0x8100}) {
    FrameBuilder builder;
    builder.ethernet(type).vlan(7);
    auto bytes = builder.bytes();
    bytes.resize(60);
    const Parsed parsed = parse_bytes(bytes);
    ASSERT_TRUE(parsed.ok);
    EXPECT_EQ(parsed.head.ether_type, type);
    EXPECT_EQ(parsed.head.family, 0);
    EXPECT_EQ(parsed.head.vlan, 7);
    EXPECT_EQ(parsed.head.payload_offset, 18);
  }
  const Parsed esp = parse(v4().protocol(50).payload(3));
  EXPECT_TRUE(esp.ok && esp.head.payload_offset == esp.head.l4_offset && esp.head.l4_ports == 0);
  EXPECT_TRUE(parse(v4().protocol(47)).ok);
  EXPECT_TRUE(parse(v6().protocol(132).payload(3)).ok);
  EXPECT_TRUE(parse(v6().protocol(protocol::kNoNext)).ok);
}

TEST(Parse, Ethernet) {
  EXPECT_EQ(parse_bytes(from_hex("ffffffffffff 020000000001 08")).why, Reason::ethernet_truncated);
  EXPECT_EQ(parse_bytes(from_hex("ffffffffffff 020000000001 8100 00")).why, Reason::ethernet_truncated);
  expect_reason(v4().tcp(1, 2).ethernet(ether_type::kIpv4, FrameBuilder::kOurMac, kBroadcastMac),
                Reason::source_invalid);
}

TEST(Parse, Arp) {
  std::vector<uint8_t> arp(kArpSize);
  Arp{Arp::kRequest, FrameBuilder::kClientMac, address("10.0.0.1"), {}, address("10.0.0.2")}.emit(arp);
  auto bytes = FrameBuilder().ethernet(ether_type::kArp).bytes();
  bytes.insert(bytes.end(), arp.begin(), arp.end());
  const Parsed parsed = parse_bytes(bytes);
  EXPECT_TRUE(parsed.ok && parsed.head.family == 0);
  bytes[15] = 9;
  EXPECT_EQ(parse_bytes(bytes).why, Reason::arp_malformed);
  bytes.pop_back();
  EXPECT_EQ(parse_bytes(bytes).why, Reason::arp_malformed);
}

TEST(Parse, Ipv4Refused) {
  auto bytes = v4().tcp(1, 2).bytes();
  const auto changed = [&](size_t at, uint8_t value) {
    auto copy = bytes;
    copy[at] = value;
    return parse_bytes(copy, 0, kChecksumValid).why;
  };
  EXPECT_EQ(changed(14, 0x44), Reason::ipv4_header_invalid);
  EXPECT_EQ(changed(14, 0x65), Reason::ipv4_header_invalid);
  EXPECT_EQ(changed(14, 0x4f), Reason::ipv4_truncated);
  EXPECT_EQ(changed(17, 19), Reason::ipv4_length_invalid);
  EXPECT_EQ(changed(17, 0), Reason::ipv4_length_invalid);
  EXPECT_EQ(changed(17, 41), Reason::ipv4_length_invalid);
  auto bad = bytes;
  bad[24] ^= 1;
  EXPECT_EQ(parse_bytes(bad).why, Reason::ipv4_checksum_bad);
  EXPECT_TRUE(parse_bytes(bad, 0, kChecksumValid).ok);
  for (size_t n = 14; n < 34; ++n) {
    EXPECT_EQ(parse_bytes({bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n)}).why, Reason::ipv4_truncated);
  }
  FrameBuilder source_route = v4().tcp(1, 2);
  source_route.v4().options_length = 8;
  source_route.v4().options = {131, 7, 4, 10, 0, 0, 9, 0};
  expect_reason(source_route, Reason::ipv4_header_invalid);
}

TEST(Parse, Addresses) {
  for (const char* source : {"224.0.0.1", "255.255.255.255", "127.0.0.1", "0.0.0.0"}) {
    expect_reason(FrameBuilder().ipv4(source, "10.0.0.1").tcp(1, 2), Reason::source_invalid);
  }
  EXPECT_TRUE(parse(FrameBuilder().ipv4("0.0.0.0", "255.255.255.255").udp(68, 67)).ok);
  EXPECT_FALSE(parse(FrameBuilder().ipv4("0.0.0.0", "255.255.255.255").udp(68, 69)).ok);
  EXPECT_TRUE(parse(FrameBuilder().ipv4("10.0.0.1", "224.0.0.251").udp(5353, 5353)).ok);
  expect_reason(FrameBuilder().ipv4("10.0.0.1", "127.0.0.1").tcp(1, 2), Reason::destination_invalid);
  expect_reason(FrameBuilder().ipv4("10.0.0.1", "0.0.0.0").tcp(1, 2), Reason::destination_invalid);
  for (const char* source : {"ff02::1", "::1", "::"}) {
    expect_reason(FrameBuilder().ipv6(source, "2001:db8::1").udp(1, 2), Reason::source_invalid);
  }
  EXPECT_TRUE(parse(FrameBuilder().ipv6("::", "ff02::1:ff00:1").icmp(135, 0, 0).payload(16)).ok);
  expect_reason(FrameBuilder().ipv6("::", "2001:db8::1").icmp(128, 0, 0), Reason::source_invalid);
  expect_reason(FrameBuilder().ipv6("2001:db8::1", "::1").udp(1, 2), Reason::destination_invalid);
  auto mapped = v6().udp(1, 2).bytes();
  std::fill(mapped.begin() + 22, mapped.begin() + 32, uint8_t{0});
  mapped[32] = mapped[33] = 0xff;
  EXPECT_EQ(parse_bytes(mapped).why, Reason::source_invalid);
}

TEST(Parse, TcpRefused) {
  expect_reason(v4().protocol(protocol::kTcp).payload(19), Reason::tcp_truncated);
  for (const uint8_t offset : {uint8_t{0x40}, uint8_t{0x60}}) {
    auto bytes = v4().tcp(1, 2).bytes();
    bytes[34 + 12] = offset;
    EXPECT_EQ(parse_bytes(bytes).why, Reason::tcp_header_invalid);
  }
  for (const int flags : {0, kSyn | kFin, kSyn | kRst}) {
    expect_reason(v4().tcp(1, 2, static_cast<uint8_t>(flags)), Reason::tcp_header_invalid);
    expect_reason(v6().tcp(1, 2, static_cast<uint8_t>(flags)), Reason::tcp_header_invalid);
  }
}

TEST(Parse, Udp) {
  EXPECT_TRUE(parse(v4().udp(1, 2)).ok);
  EXPECT_TRUE(parse(v4().udp(1, 2, 10).payload(20)).ok);  // data behind the datagram
  expect_reason(v4().protocol(protocol::kUdp).payload(7), Reason::udp_truncated);
  expect_reason(v4().udp(1, 2, 7), Reason::udp_length_invalid);
  expect_reason(v4().udp(1, 2, 9), Reason::udp_length_invalid);
  expect_reason(v6().udp(1, 2, 100).payload(20), Reason::udp_length_invalid);
}

TEST(Parse, Icmp) {
  const Parsed echo = parse(v4().icmp(8, 0, 0x12340001));
  EXPECT_TRUE(echo.ok && echo.head.l4_ports == 0x12341234u);
  EXPECT_EQ(parse(v6().icmp(129, 0, 0x12340001)).head.l4_ports, 0x12341234u);
  EXPECT_EQ(parse(v4().icmp(3, 1, 0x12340001)).head.l4_ports, 0u);
  expect_reason(v4().protocol(protocol::kIcmp).payload(7), Reason::icmp_truncated);
  expect_reason(v6().protocol(protocol::kIcmp6).payload(7), Reason::icmp_truncated);
}

FrameBuilder v4_fragment(uint16_t offset, bool more, size_t payload, uint8_t number = protocol::kUdp) {
  FrameBuilder builder = v4().protocol(number).payload(payload, 0x50);  // as TCP: data offset 5, flags PSH
  builder.v4().fragment_offset = offset;
  builder.v4().more_fragments = more;
  return builder;
}

TEST(Parse, Ipv4Fragments) {
  FrameBuilder first = v4().udp(1, 2, 1000).payload(16);
  first.v4().more_fragments = true;
  const Parsed parsed = parse(first);
  ASSERT_TRUE(parsed.ok);
  EXPECT_EQ(parsed.head.flags, kFirstFragment);
  EXPECT_EQ(parsed.head.l4_ports, 1u << 16 | 2u);
  const Parsed later = parse(v4_fragment(24, false, 13));
  ASSERT_TRUE(later.ok);
  EXPECT_EQ(later.head.flags, kLaterFragment);
  EXPECT_TRUE(later.head.l4_ports == 0 && later.head.payload_offset == later.head.l4_offset &&
              later.head.l4_length == 13);
  EXPECT_TRUE(parse(v4_fragment(65528, false, 7)).ok);

  expect_reason(v4_fragment(65528, false, 8), Reason::fragment_invalid);                // beyond 65,535
  expect_reason(v4_fragment(24, true, 13), Reason::fragment_invalid);                   // not a multiple of 8
  expect_reason(v4_fragment(24, false, 0), Reason::fragment_invalid);                   // empty
  expect_reason(v4_fragment(8, false, 16, protocol::kTcp), Reason::fragment_invalid);   // RFC 1858: over the flags
  expect_reason(v4_fragment(16, false, 16, protocol::kTcp), Reason::fragment_invalid);  // over the checksum
  expect_reason(v4_fragment(0, true, 16, protocol::kTcp), Reason::fragment_invalid);    // tiny
  FrameBuilder options = v4().protocol(protocol::kTcp).payload(24, 0xf8);               // data offset 15
  options.v4().more_fragments = true;
  expect_reason(options, Reason::fragment_invalid);
}

FrameBuilder v6_fragment(uint16_t offset, bool more, FrameBuilder builder, uint8_t number) {
  std::vector<uint8_t> header(kIpv6FragmentSize);
  Ipv6Fragment{number, offset, more, 7}.emit(header);
  return builder.extensions(protocol::kFragment, header);
}

TEST(Parse, Ipv6Fragments) {
  const Parsed first = parse(v6_fragment(0, true, v6().udp(1, 2, 999).payload(16), protocol::kUdp));
  ASSERT_TRUE(first.ok);
  EXPECT_EQ(first.head.flags, kFirstFragment);
  EXPECT_EQ(first.head.l4_offset, 14 + 48);
  const Parsed later = parse(v6_fragment(24, false, v6().payload(5), protocol::kTcp));
  ASSERT_TRUE(later.ok);
  EXPECT_EQ(later.head.flags, kLaterFragment);
  EXPECT_EQ(later.head.protocol, protocol::kTcp);
  const Parsed atomic = parse(v6_fragment(0, false, v6().udp(1, 2), protocol::kUdp));  // RFC 6946
  EXPECT_TRUE(atomic.ok && atomic.head.flags == 0 && atomic.head.l4_ports != 0);
  expect_reason(v6_fragment(8, false, v6().payload(16), protocol::kTcp), Reason::fragment_invalid);
  expect_reason(v6_fragment(0, true, v6().payload(16, 0x50), protocol::kTcp), Reason::fragment_invalid);
  expect_reason(v6_fragment(0, true, v6().udp(1, 2, 999).payload(5), protocol::kUdp), Reason::fragment_invalid);
}

TEST(Parse, Ipv6) {
  const Parsed parsed = parse(v6().tcp(1234, 443).padding(3));
  ASSERT_TRUE(parsed.ok);
  EXPECT_EQ(parsed.head.family, 6);
  EXPECT_EQ(parsed.head.l4_offset, 54);
  EXPECT_EQ(parsed.head.payload_offset, 74);
  EXPECT_EQ(parsed.head.l4_length, 20u);
  EXPECT_EQ(parsed.tuple.destination, address("2001:db8::2"));

  const Parsed extended = parse(v6().extensions(0, from_hex("3c00 010400000000 0600 010400000000")).tcp(1, 2));
  ASSERT_TRUE(extended.ok);
  EXPECT_EQ(extended.head.l4_offset, 70);

  expect_reason(v6().extensions(60, from_hex("0000 010400000000 0600 010400000000")).tcp(1, 2),
                Reason::ipv6_extension_invalid);
  expect_reason(v6().extensions(60, from_hex("0608 010400000000")).tcp(1, 2), Reason::ipv6_extension_invalid);
  auto bytes = v6().tcp(1, 2).bytes();
  bytes[14] = 0x40;
  EXPECT_EQ(parse_bytes(bytes).why, Reason::ipv6_header_invalid);
  bytes[14] = 0x60;
  bytes[19] += 1;
  EXPECT_EQ(parse_bytes(bytes).why, Reason::ipv6_length_invalid);
  bytes.resize(50);
  EXPECT_EQ(parse_bytes(bytes).why, Reason::ipv6_truncated);
  auto jumbo = v6().extensions(0, from_hex("0600 c20400010000")).tcp(1, 2).bytes();
  jumbo[18] = jumbo[19] = 0;
  EXPECT_EQ(parse_bytes(jumbo).why, Reason::ipv6_length_invalid);
  EXPECT_EQ(parse_bytes(jumbo, 1440).why, Reason::ipv6_length_invalid);
}

TEST(Parse, LargeFrames) {
  auto bytes = v4().tcp(1, 2).payload(64000).bytes();
  Parsed parsed = parse_bytes(bytes, 1448);
  ASSERT_TRUE(parsed.ok);
  EXPECT_EQ(parsed.head.l4_length, 64020u);
  EXPECT_EQ(wire_segments(&parsed.head), 45u);
  store16(&bytes[16], 0);
  EXPECT_EQ(parse_bytes(bytes, 0, kChecksumValid).why, Reason::ipv4_length_invalid);
  parsed = parse_bytes(bytes, 1448, kChecksumValid);
  ASSERT_TRUE(parsed.ok);
  EXPECT_EQ(parsed.head.l4_length, 64020u);
  auto six = v6().tcp(1, 2).payload(70000).bytes();
  store16(&six[18], 0);
  // The segment pools hold a frame of that size in one piece only here.
  const uint32_t splits[] = {128, 16000, 16000, 16000, 16000};
  parsed = parse_bytes(six, 1448, 0, splits);
  ASSERT_TRUE(parsed.ok);
  EXPECT_EQ(parsed.head.l4_length, 70020u);
  EXPECT_EQ(parse_bytes(six, 0, 0, splits).why, Reason::tcp_truncated);
}

// Wherever a frame is cut into segments it is the same frame.
TEST(Parse, SegmentBordersMakeNoDifference) {
  std::vector<std::vector<uint8_t>> cases = {
      v4().vlan(5).tcp(1, 2).payload(40).bytes(), v6().extensions(0, from_hex("0600 010400000000")).tcp(1, 2).bytes(),
      v4().icmp(8, 0, 5).bytes(), v6_fragment(0, true, v6().udp(1, 2, 999).payload(16), protocol::kUdp).bytes(),
      v4().tcp(1, 2, kSyn | kFin).bytes()};
  for (const auto& bytes : cases) {
    const Parsed whole = parse_bytes(bytes);
    for (uint32_t cut = 0; cut <= bytes.size(); ++cut) {
      const uint32_t splits[] = {cut, 7, 0, 3};
      const Parsed parts = parse_bytes(bytes, 0, 0, splits);
      ASSERT_EQ(parts.ok, whole.ok);
      if (!whole.ok) {
        ASSERT_EQ(parts.why, whole.why);
        continue;
      }
      ASSERT_EQ(parts.tuple, whole.tuple);
      ASSERT_EQ(parts.head.payload_offset, whole.head.payload_offset);
      ASSERT_EQ(parts.head.flags, whole.head.flags);
      ASSERT_GE(parts.head.length, parts.head.payload_offset);
    }
  }
}

}  // namespace
}  // namespace flatproxy::wire
