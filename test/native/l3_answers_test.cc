#include <gtest/gtest.h>

#include "l3/echo_reply.h"
#include "l3/icmp_error.h"
#include "l3/tcp_reset.h"
#include "wire/embedded.h"
#include "wire/parse.h"
#include "wire/tuple_of.h"
#include "wire_frames.h"

namespace flatproxy {
namespace {

using test::address;
using test::FrameBuilder;

class Answers : public testing::Test {
 protected:
  Segment* parsed(const FrameBuilder& builder, std::span<const uint32_t> splits = {}) {
    Segment* frame = frames.make(builder.bytes(), splits);
    Reason why = Reason::count;
    EXPECT_TRUE(wire::parse_frame(frame, why)) << info(why).name;
    frame->port = 7;
    return frame;
  }
  // Bytes of the error about it; empty: none.
  std::vector<uint8_t> error_about(const FrameBuilder& builder, IcmpError error = IcmpError::port_unreachable,
                                   uint16_t mtu = 0) {
    Segment* offending = parsed(builder);
    const wire::Address ours = address(offending->family == 4 ? "192.0.2.254" : "2001:db8::fe");
    Segment* frame = make_icmp_error(frames.buffers, offending, error, ours, mtu);
    release(offending);
    if (frame == nullptr) return {};
    EXPECT_TRUE(wire::sum_intact(wire::sum_l4(frame)));
    EXPECT_EQ(frame->port, 7);
    EXPECT_EQ(wire::source_of(frame), ours);
    EXPECT_EQ(wire::load_mac(frame->data), FrameBuilder::kClientMac);
    auto bytes = test::Frames::bytes_of(frame);
    release(frame);
    return bytes;
  }
  static FrameBuilder v4() { return FrameBuilder().ipv4("10.0.0.1", "10.0.0.2"); }
  static FrameBuilder v6() { return FrameBuilder().ipv6("2001:db8::1", "2001:db8::2"); }

  test::Frames frames;
};

TEST_F(Answers, ErrorsOfIpv4) {
  const auto expect = [&](IcmpError error, int type, int code) {
    const auto bytes = error_about(v4().tcp(1, 2).payload(10), error, 1400);
    ASSERT_EQ(bytes.size(), 14u + 28 + 50);
    const auto icmp = wire::Icmp::parse(wire::Bytes(bytes).subspan(34)).value();
    EXPECT_EQ(icmp.type, type);
    EXPECT_EQ(icmp.code, code);
    EXPECT_EQ(icmp.rest, error == IcmpError::packet_too_big ? 1400u : 0u);
    const auto quoted = v4().tcp(1, 2).payload(10).packet();
    EXPECT_TRUE(std::equal(quoted.begin(), quoted.end(), bytes.begin() + 42, bytes.end()));
  };
  expect(IcmpError::time_exceeded, 11, 0);
  expect(IcmpError::net_unreachable, 3, 0);
  expect(IcmpError::host_unreachable, 3, 1);
  expect(IcmpError::port_unreachable, 3, 3);
  expect(IcmpError::admin_prohibited, 3, 13);
  expect(IcmpError::packet_too_big, 3, 4);
}

TEST_F(Answers, ErrorsOfIpv6) {
  const auto expect = [&](IcmpError error, int type, int code) {
    const auto bytes = error_about(v6().vlan(5).udp(1, 2).payload(10), error, 1400);
    ASSERT_EQ(bytes.size(), 18u + 48 + 58);
    EXPECT_EQ(wire::Ethernet::parse(bytes)->vlan->id, 5);
    const auto icmp = wire::Icmp::parse(wire::Bytes(bytes).subspan(58)).value();
    EXPECT_EQ(icmp.type, type);
    EXPECT_EQ(icmp.code, code);
    EXPECT_EQ(icmp.rest, error == IcmpError::packet_too_big ? 1400u : 0u);
  };
  expect(IcmpError::time_exceeded, 3, 0);
  expect(IcmpError::net_unreachable, 1, 0);
  expect(IcmpError::host_unreachable, 1, 3);
  expect(IcmpError::port_unreachable, 1, 4);
  expect(IcmpError::admin_prohibited, 1, 1);
  expect(IcmpError::packet_too_big, 2, 0);
}

TEST_F(Answers, ErrorsQuoteNoMoreThanTheyMay) {
  EXPECT_EQ(error_about(v4().tcp(1, 2).payload(1400)).size(), 14u + 576);
  EXPECT_EQ(error_about(v6().tcp(1, 2).payload(1400)).size(), 14u + 1280);
  EXPECT_EQ(error_about(v4().udp(1, 2).padding(30)).size(), 14u + 28 + 28) << "padding is not quoted";
}

TEST_F(Answers, ErrorsEmbedTheTuple) {
  Segment* frame = frames.make(error_about(v4().udp(1234, 53).payload(100)));
  Reason why = Reason::count;
  ASSERT_TRUE(wire::parse_frame(frame, why));
  Tuple tuple;
  wire::EmbeddedView view;
  ASSERT_TRUE(wire::embedded_tuple(frame, tuple, view, why));
  EXPECT_EQ(tuple, (Tuple{address("10.0.0.1"), address("10.0.0.2"), 1234, 53, 17, 4}));
  release(frame);
}

TEST_F(Answers, NoErrorsAboutThese) {
  const auto tcp = v4().tcp(1, 2).packet();
  EXPECT_TRUE(error_about(v4().icmp(3, 0, 0).payload(tcp)).empty());
  EXPECT_TRUE(error_about(v4().icmp(5, 0, 0).payload(tcp)).empty());
  EXPECT_TRUE(error_about(v6().icmp(1, 0, 0).payload(60)).empty());
  EXPECT_TRUE(error_about(v6().icmp(137, 0, 0).payload(60)).empty());
  EXPECT_FALSE(error_about(v4().icmp(8, 0, 0)).empty());
  EXPECT_FALSE(error_about(v6().icmp(128, 0, 0)).empty());
  FrameBuilder later = v4().protocol(17).payload(16);
  later.v4().fragment_offset = 64;
  EXPECT_TRUE(error_about(later).empty());
  for (const char* to : {"224.0.0.5", "255.255.255.255"}) {
    EXPECT_TRUE(error_about(FrameBuilder().ipv4("10.0.0.1", to).udp(1, 2)).empty());
  }
  EXPECT_TRUE(error_about(FrameBuilder().ipv6("2001:db8::1", "ff02::5").udp(1, 2)).empty());
  EXPECT_TRUE(error_about(FrameBuilder().ipv4("0.0.0.0", "10.0.0.1").udp(68, 67)).empty());
  EXPECT_TRUE(error_about(v4().udp(1, 2).ethernet(wire::ether_type::kIpv4, wire::kBroadcastMac)).empty());
}

TEST_F(Answers, ErrorRateIsBounded) {
  IcmpErrorLimiter limiter(1000, 50);
  const auto taken = [&](Nanoseconds now) {
    int n = 0;
    while (limiter.take(now)) ++n;
    return n;
  };
  EXPECT_EQ(taken(0), 50);
  EXPECT_EQ(taken(999'999), 0);
  EXPECT_EQ(taken(1'000'000), 1);
  EXPECT_EQ(taken(11'000'000), 10);
  EXPECT_EQ(taken(100'000'000'000), 50);
}

void expect_echo_reply(Segment* frame, const char* from, const char* to, uint8_t type) {
  ASSERT_TRUE(is_echo_request(frame));
  make_echo_reply(frame);
  EXPECT_EQ(wire::source_of(frame), address(from));
  EXPECT_EQ(wire::destination_of(frame), address(to));
  EXPECT_EQ(frame->data[frame->l4_offset], type);
  EXPECT_TRUE(wire::sum_intact(wire::sum_l4(frame)));
  EXPECT_EQ(wire::load_mac(frame->data), FrameBuilder::kClientMac);
  EXPECT_EQ(wire::load_mac(frame->data + 6), FrameBuilder::kOurMac);
  Reason why = Reason::count;
  EXPECT_TRUE(wire::parse_frame(frame, why)) << info(why).name;
  EXPECT_FALSE(is_echo_request(frame));
}

TEST_F(Answers, EchoReplies) {
  for (uint32_t n = 0; n < 70000; n += 1111) {  // sequence numbers that cross the checksum's corners
    FrameBuilder four = v4().icmp(8, 0, 0xffff0000u | n).payload(56);
    four.v4().ttl = static_cast<uint8_t>(n);
    const uint32_t splits[] = {50, 3};
    Segment* frame = parsed(four, splits);
    expect_echo_reply(frame, "10.0.0.2", "10.0.0.1", 0);
    release(frame);
    frame = parsed(v6().icmp(128, 0, 0xffff0000u | n).payload(33));
    expect_echo_reply(frame, "2001:db8::2", "2001:db8::1", 129);
    release(frame);
  }
}

TEST_F(Answers, NoEchoRepliesToThese) {
  FrameBuilder fragment = v4().icmp(8, 0, 0).payload(8);
  fragment.v4().more_fragments = true;
  for (const FrameBuilder& builder :
       {v4().icmp(0, 0, 0), v4().icmp(8, 1, 0), v6().icmp(129, 0, 0), v6().icmp(8, 0, 0),
        FrameBuilder().ipv4("10.0.0.1", "224.0.0.1").icmp(8, 0, 0), fragment, v4().udp(8, 0)}) {
    Segment* frame = parsed(builder);
    EXPECT_FALSE(is_echo_request(frame));
    release(frame);
  }
}

// RFC 9293 section 3.10.7.1.
TEST_F(Answers, Resets) {
  struct Case {
    uint8_t flags;
    size_t payload;
    uint8_t reset_flags;
    uint32_t sequence;
    uint32_t acknowledgment;
  };
  const Case cases[] = {{wire::kSyn, 0, wire::kRst | wire::kAck, 0, 1001},
                        {wire::kAck, 10, wire::kRst, 2000, 0},
                        {wire::kPsh, 10, wire::kRst | wire::kAck, 0, 1010},
                        {wire::kFin, 10, wire::kRst | wire::kAck, 0, 1011},
                        {wire::kSyn | wire::kAck, 0, wire::kRst, 2000, 0}};
  for (const Case& c : cases) {
    for (const bool six : {false, true}) {
      wire::Tcp header;
      header.source_port = 1234;
      header.destination_port = 80;
      header.sequence = 1000;
      header.acknowledgment = 2000;
      header.flags = c.flags;
      header.options.mss = 1460;
      Segment* frame = parsed((six ? v6() : v4()).tcp(header).payload(c.payload).padding(4));
      Segment* reset = make_reset(frames.buffers, frame);
      ASSERT_NE(reset, nullptr);
      EXPECT_EQ(wire::tuple_of(reset), wire::tuple_of(frame).reversed());
      EXPECT_TRUE(wire::sum_intact(wire::sum_l4(reset)));
      const wire::TcpView tcp{reset->data + reset->l4_offset};
      EXPECT_EQ(tcp.flags(), c.reset_flags);
      EXPECT_EQ(tcp.sequence(), c.sequence);
      EXPECT_EQ(tcp.acknowledgment(), c.acknowledgment);
      release(reset);
      release(frame);
    }
  }
}

TEST_F(Answers, NoResetsToThese) {
  for (const FrameBuilder& builder : {v4().tcp(1, 2, wire::kRst), v4().tcp(1, 2, wire::kRst | wire::kAck),
                                      v4().udp(1, 2), FrameBuilder().ipv4("10.0.0.1", "224.0.0.1").tcp(1, 2)}) {
    Segment* frame = parsed(builder);
    EXPECT_EQ(make_reset(frames.buffers, frame), nullptr);
    release(frame);
  }
}

TEST_F(Answers, AnEmptyPoolBuildsNothing) {
  Segment* frame = parsed(v4().udp(1, 2));
  std::vector<Segment*> taken;
  while (Segment* s = frames.buffers.small.allocate()) taken.push_back(s);
  EXPECT_EQ(make_icmp_error(frames.buffers, frame, IcmpError::port_unreachable, address("192.0.2.1")), nullptr);
  for (Segment* s : taken) release(s);
  release(frame);
}

}  // namespace
}  // namespace flatproxy
