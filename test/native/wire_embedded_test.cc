#include "wire/embedded.h"

#include <gtest/gtest.h>

#include "wire/parse.h"
#include "wire_frames.h"

namespace flatproxy::wire {
namespace {

using test::address;
using test::FrameBuilder;

struct Read {
  bool ok = false;
  Reason why = Reason::count;
  Tuple tuple;
  EmbeddedView view;
};

Read read_bytes(const std::vector<uint8_t>& bytes, std::span<const uint32_t> splits = {}, uint16_t flags = 0) {
  static test::Frames frames;
  Segment* head = frames.make(bytes, splits);
  head->flags = flags;
  Read result;
  EXPECT_TRUE(parse_frame(head, result.why)) << info(result.why).name;
  result.ok = embedded_tuple(head, result.tuple, result.view, result.why);
  if (result.ok) {
    EXPECT_LE(result.view.l4_offset + 8u, head->length);
    if (result.view.has_l4_checksum) {
      EXPECT_LE(result.view.checksum_offset + 2u, head->length);
    }
  }
  release(head);
  return result;
}

std::vector<uint8_t> first_of(std::vector<uint8_t> bytes, size_t n) {
  bytes.resize(std::min(n, bytes.size()));
  return bytes;
}

FrameBuilder error4(const std::vector<uint8_t>& quoted, uint8_t type = 3) {
  return FrameBuilder().ipv4("192.0.2.9", "10.0.0.1").icmp(type, 1, 0).payload(quoted);
}
FrameBuilder error6(const std::vector<uint8_t>& quoted, uint8_t type = 1) {
  return FrameBuilder().ipv6("2001:db8::9", "2001:db8::1").icmp(type, 0, 0).payload(quoted);
}
FrameBuilder inner4() { return FrameBuilder().ipv4("10.0.0.1", "10.0.0.2"); }
FrameBuilder inner6() { return FrameBuilder().ipv6("2001:db8::1", "2001:db8::2"); }

TEST(Embedded, Tcp) {
  for (const size_t quoted : {28u, 37u, 38u, 40u, 500u}) {
    const Read read = read_bytes(error4(first_of(inner4().tcp(1234, 80).payload(900).packet(), quoted)).bytes());
    ASSERT_TRUE(read.ok) << info(read.why).name;
    EXPECT_EQ(read.tuple, (Tuple{address("10.0.0.1"), address("10.0.0.2"), 1234, 80, protocol::kTcp, 4}));
    EXPECT_EQ(read.view.l3_offset, 42);
    EXPECT_EQ(read.view.l4_offset, 62);
    EXPECT_EQ(read.view.has_l4_checksum, quoted >= 38);
    EXPECT_EQ(read.view.checksum_offset, 78);
  }
}

TEST(Embedded, UdpEchoOptionsAndExtensions) {
  FrameBuilder with_options = inner4().udp(53, 5353);
  with_options.v4().options_length = 4;
  with_options.v4().options = {1, 1, 1, 0};
  const Read udp = read_bytes(error4(with_options.packet()).bytes());
  EXPECT_TRUE(udp.ok && udp.view.l4_offset == 66 && udp.view.has_l4_checksum && udp.tuple.source_port == 53);
  const Read echo = read_bytes(error4(inner4().icmp(8, 0, 0x00070001).packet(), 11).bytes());
  EXPECT_TRUE(echo.ok && echo.tuple.source_port == 7 && echo.tuple.destination_port == 7);
  const auto extended =
      inner6().extensions(0, test::from_hex("3c00 010400000000 0600 010400000000")).tcp(9, 8).packet();
  const Read six = read_bytes(error6(first_of(extended, 64), 2).bytes());
  EXPECT_TRUE(six.ok && six.view.l4_offset == 14 + 40 + 8 + 56 && !six.view.has_l4_checksum);
  EXPECT_EQ(six.tuple, (Tuple{address("2001:db8::1"), address("2001:db8::2"), 9, 8, protocol::kTcp, 6}));
  const Read echo6 = read_bytes(error6(inner6().icmp(128, 0, 0x00070001).packet()).bytes());
  EXPECT_TRUE(echo6.ok && echo6.tuple.source_port == 7 && echo6.tuple.protocol == protocol::kIcmp6);
}

TEST(Embedded, Refused) {
  const auto tcp = inner4().tcp(1, 2).packet();
  const auto reason = [](const FrameBuilder& builder) {
    const Read read = read_bytes(builder.bytes());
    return read.ok ? Reason::forwarded : read.why;
  };
  for (size_t n = 0; n < 28; ++n) EXPECT_EQ(reason(error4(first_of(tcp, n))), Reason::icmp_truncated) << n;
  const auto tcp6 = inner6().tcp(1, 2).packet();
  for (size_t n = 0; n < 48; ++n) EXPECT_EQ(reason(error6(first_of(tcp6, n))), Reason::icmp_truncated) << n;
  EXPECT_EQ(reason(error4(tcp6)), Reason::icmp_malformed);
  EXPECT_EQ(reason(error6(tcp)), Reason::icmp_malformed);
  EXPECT_EQ(reason(error4(error4(tcp).packet())), Reason::icmp_malformed);
  EXPECT_EQ(reason(error6(error6(tcp6).packet())), Reason::icmp_malformed);
  EXPECT_EQ(reason(error4(inner4().protocol(47).payload(8).packet())), Reason::icmp_unrelated);
  EXPECT_EQ(reason(error4(inner4().icmp(13, 0, 0).packet())), Reason::icmp_unrelated);
  FrameBuilder later = inner4().protocol(17).payload(16);
  later.v4().fragment_offset = 64;
  EXPECT_EQ(reason(error4(later.packet())), Reason::icmp_malformed);
  EXPECT_EQ(reason(FrameBuilder().ipv4("10.0.0.1", "10.0.0.2").icmp(8, 0, 0).payload(tcp)), Reason::icmp_unrelated);
}

TEST(Embedded, VerifiesTheErrorsChecksum) {
  auto bytes = error4(inner4().tcp(1, 2).packet()).bytes();
  bytes.back() ^= 1;
  EXPECT_EQ(read_bytes(bytes).why, Reason::icmp_checksum_bad);
  EXPECT_TRUE(read_bytes(bytes, {}, kChecksumValid).ok);
  auto six = error6(inner6().tcp(1, 2).packet()).bytes();
  EXPECT_TRUE(read_bytes(six).ok);
  six.back() ^= 1;
  EXPECT_EQ(read_bytes(six).why, Reason::icmp_checksum_bad);
}

TEST(Embedded, SegmentBordersMakeNoDifference) {
  const auto bytes = error6(inner6().extensions(0, test::from_hex("0600 010400000000")).tcp(9, 8).packet()).bytes();
  const Read whole = read_bytes(bytes);
  ASSERT_TRUE(whole.ok);
  for (uint32_t cut = 0; cut <= bytes.size(); ++cut) {
    const uint32_t splits[] = {cut, 5, 0};
    const Read parts = read_bytes(bytes, splits);
    ASSERT_TRUE(parts.ok);
    ASSERT_EQ(parts.tuple, whole.tuple);
    ASSERT_EQ(parts.view.l4_offset, whole.view.l4_offset);
  }
}

}  // namespace
}  // namespace flatproxy::wire
