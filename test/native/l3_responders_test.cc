#include <gtest/gtest.h>

#include "l3/arp_responder.h"
#include "l3/nd_responder.h"
#include "wire/icmp.h"
#include "wire/nd.h"
#include "wire/parse.h"
#include "wire/tuple_of.h"
#include "wire_frames.h"

namespace flatproxy {
namespace {

using test::address;
using test::FrameBuilder;
using wire::Arp;
using wire::NeighborDiscovery;

constexpr wire::Mac kClient = FrameBuilder::kClientMac;
constexpr wire::Mac kOurs = FrameBuilder::kOurMac;

const auto answers = [](const wire::Address& a) { return a == address("10.0.0.254") || a == address("2001:db8::fe"); };

struct Handled {
  NeighborOutcome outcome;
  std::vector<uint8_t> bytes;
};

Handled handle(const std::vector<uint8_t>& bytes, std::span<const uint32_t> splits = {}) {
  static test::Frames frames;
  Segment* frame = frames.make(bytes, splits);
  Reason why = Reason::count;
  EXPECT_TRUE(wire::parse_frame(frame, why)) << info(why).name;
  Handled handled;
  handled.outcome =
      frame->family == 6 ? answer_neighbor_discovery(frame, kOurs, answers) : answer_arp(frame, kOurs, answers);
  if (handled.outcome.reason == Reason::nd_answered) {
    EXPECT_TRUE(wire::parse_frame(frame, why)) << info(why).name;
    EXPECT_TRUE(wire::sum_intact(wire::sum_l4(frame)));
  }
  handled.bytes = test::Frames::bytes_of(frame);
  release(frame);
  return handled;
}

std::vector<uint8_t> arp_frame(const Arp& arp, wire::Mac to = wire::kBroadcastMac, uint16_t vlan = 0) {
  FrameBuilder builder;
  builder.ethernet(wire::ether_type::kArp, to);
  if (vlan != 0) builder.vlan(vlan);
  std::vector<uint8_t> packet(wire::kArpSize);
  arp.emit(packet);
  auto bytes = builder.bytes();
  bytes.insert(bytes.end(), packet.begin(), packet.end());
  bytes.resize(64);
  return bytes;
}

Arp request(std::string_view from, std::string_view target) {
  return {Arp::kRequest, kClient, address(from), {}, address(target)};
}

TEST(ArpResponder, AnswersForOurAddresses) {
  for (const uint16_t vlan : {uint16_t{0}, uint16_t{9}}) {
    const Handled handled = handle(arp_frame(request("10.0.0.1", "10.0.0.254"), wire::kBroadcastMac, vlan));
    EXPECT_EQ(handled.outcome.reason, Reason::arp_answered);
    const auto ethernet = wire::Ethernet::parse(handled.bytes).value();
    EXPECT_EQ(ethernet.destination, kClient);
    EXPECT_EQ(ethernet.source, kOurs);
    EXPECT_EQ(ethernet.vlan.has_value(), vlan != 0);
    const auto reply = Arp::parse(wire::Bytes(handled.bytes).subspan(ethernet.size()));
    EXPECT_EQ(reply, (Arp{Arp::kReply, kOurs, address("10.0.0.254"), kClient, address("10.0.0.1")}));
    ASSERT_TRUE(handled.outcome.news);
    EXPECT_TRUE(handled.outcome.news->create && !handled.outcome.news->solicited);
    EXPECT_EQ(handled.outcome.news->mac, kClient);
  }
}

TEST(ArpResponder, ProbesAreAnsweredAndTeachNothing) {
  const Handled handled = handle(arp_frame(request("0.0.0.0", "10.0.0.254")));
  EXPECT_EQ(handled.outcome.reason, Reason::arp_answered);
  EXPECT_FALSE(handled.outcome.news);
  EXPECT_EQ(handle(arp_frame(request("0.0.0.0", "10.0.0.1"))).outcome.reason, Reason::not_for_us);
}

TEST(ArpResponder, OthersRequestsAndAnnouncementsOnlyUpdate) {
  const Handled others = handle(arp_frame(request("10.0.0.1", "10.0.0.2")));
  EXPECT_EQ(others.outcome.reason, Reason::not_for_us);
  EXPECT_FALSE(others.outcome.news->create || others.outcome.news->solicited);
  for (const uint16_t operation : {Arp::kRequest, Arp::kReply}) {
    const Arp announcement{operation, kClient, address("10.0.0.1"), kOurs, address("10.0.0.1")};
    const Handled handled = handle(arp_frame(announcement));
    EXPECT_EQ(handled.outcome.reason, Reason::neighbor_learned);
    EXPECT_FALSE(handled.outcome.news->create || handled.outcome.news->solicited);
  }
}

TEST(ArpResponder, RepliesToUsConfirm) {
  const Arp reply{Arp::kReply, kClient, address("10.0.0.1"), kOurs, address("10.0.0.254")};
  const Handled handled = handle(arp_frame(reply, kOurs));
  EXPECT_EQ(handled.outcome.reason, Reason::neighbor_learned);
  EXPECT_TRUE(handled.outcome.news->solicited && !handled.outcome.news->create);
}

TEST(ArpResponder, NobodyTakesOurAddress) {
  const Handled handled = handle(arp_frame(request("10.0.0.254", "10.0.0.254")));
  EXPECT_EQ(handled.outcome.reason, Reason::not_for_us);
  EXPECT_FALSE(handled.outcome.news);
}

TEST(ArpResponder, BadSenders) {
  Arp arp = request("10.0.0.1", "10.0.0.254");
  for (const wire::Mac& mac : {wire::kBroadcastMac, wire::Mac{}}) {
    arp.sender_mac = mac;
    EXPECT_EQ(handle(arp_frame(arp)).outcome.reason, Reason::arp_malformed);
  }
  for (const char* sender : {"224.0.0.1", "255.255.255.255", "127.0.0.1"}) {
    EXPECT_EQ(handle(arp_frame(request(sender, "10.0.0.254"))).outcome.reason, Reason::arp_malformed);
  }
}

TEST(ArpResponder, Requests) {
  test::Frames frames;
  const Solicitor from{kOurs, address("10.0.0.254"), 12};
  for (const wire::Mac& known : {wire::kBroadcastMac, kClient}) {
    Segment* frame = make_arp_request(frames.buffers, from, address("10.0.0.1"), known);
    ASSERT_NE(frame, nullptr);
    EXPECT_TRUE(frame->vlan == 12 && frame->ether_type == wire::ether_type::kArp && frame->frame_length == 46);
    EXPECT_EQ(wire::load_mac(frame->data), known);
    const auto arp = Arp::parse(wire::Bytes(frame->data, frame->length).subspan(18)).value();
    EXPECT_TRUE(arp.operation == Arp::kRequest && arp.sender_mac == kOurs && arp.target == address("10.0.0.1"));
    release(frame);
  }
}

struct Solicitation {
  const char* from = "2001:db8::1";
  const char* to = "ff02::1:ff00:fe";
  const char* target = "2001:db8::fe";
  bool option = true;
  uint8_t hop_limit = 255;
  uint8_t type = wire::icmp6::kNeighborSolicitation;
  bool solicited = false;
  bool override_known = false;
};

std::vector<uint8_t> nd_frame(const Solicitation& s) {
  const wire::Address target = address(s.target);
  NeighborDiscovery message{s.type, false, s.solicited, s.override_known, target, std::nullopt};
  if (s.option) message.link_layer = kClient;
  std::vector<uint8_t> bytes(message.size());
  message.emit(bytes);
  FrameBuilder builder = FrameBuilder().ipv6(s.from, s.to).protocol(wire::protocol::kIcmp6, 2).payload(bytes);
  builder.v6().hop_limit = s.hop_limit;
  return builder.bytes();
}

TEST(NeighborDiscovery, RoundTrip) {
  for (const uint8_t type : {wire::icmp6::kNeighborSolicitation, wire::icmp6::kNeighborAdvertisement}) {
    for (int bits = 0; bits < 16; ++bits) {
      const bool na = type == wire::icmp6::kNeighborAdvertisement;
      NeighborDiscovery value{
          type, na && (bits & 1) != 0, na && (bits & 2) != 0, na && (bits & 4) != 0, address("fe80::1"), {}};
      if ((bits & 8) != 0) value.link_layer = kClient;
      std::vector<uint8_t> bytes(value.size());
      value.emit(bytes);
      EXPECT_EQ(NeighborDiscovery::parse(bytes), value);
      for (size_t n = 1; n < bytes.size(); ++n) {
        const bool whole = n == NeighborDiscovery::kSize;  // then the option is left out
        EXPECT_EQ(NeighborDiscovery::parse(wire::Bytes(bytes).first(n)).has_value(), whole);
      }
      bytes[1] = 1;
      EXPECT_FALSE(NeighborDiscovery::parse(bytes));
    }
  }
}

TEST(NeighborDiscovery, Groups) {
  EXPECT_EQ(wire::solicited_node(address("2001:db8::1:800:200e:8c6c")), address("ff02::1:ff0e:8c6c"));
  EXPECT_EQ(wire::multicast_mac(address("ff02::1:ff0e:8c6c")).to_string(), "33:33:ff:0e:8c:6c");
}

void expect_advertisement(const Handled& handled, const char* to, bool solicited) {
  ASSERT_EQ(handled.outcome.reason, Reason::nd_answered);
  const wire::Bytes bytes = handled.bytes;
  ASSERT_EQ(bytes.size(), 86u);
  const auto ip = wire::Ipv6::parse(bytes.subspan(14)).value();
  EXPECT_EQ(ip.source, address("2001:db8::fe"));
  EXPECT_EQ(ip.destination, address(to));
  EXPECT_EQ(ip.hop_limit, 255);
  const auto message = NeighborDiscovery::parse(bytes.subspan(54)).value();
  EXPECT_EQ(message.type, wire::icmp6::kNeighborAdvertisement);
  EXPECT_TRUE(message.router && message.override_known && message.solicited == solicited);
  EXPECT_EQ(message.target, address("2001:db8::fe"));
  EXPECT_EQ(message.link_layer, kOurs);
  EXPECT_EQ(wire::load_mac(&bytes[6]), kOurs);
}

TEST(NdResponder, AnswersSolicitations) {
  const Handled handled = handle(nd_frame({}));
  expect_advertisement(handled, "2001:db8::1", true);
  EXPECT_EQ(wire::load_mac(handled.bytes.data()), kClient);
  ASSERT_TRUE(handled.outcome.news);
  EXPECT_TRUE(handled.outcome.news->create && !handled.outcome.news->solicited);
  Solicitation unicast;
  unicast.to = "2001:db8::fe";
  unicast.option = false;
  const Handled plain = handle(nd_frame(unicast));
  expect_advertisement(plain, "2001:db8::1", true);
  EXPECT_FALSE(plain.outcome.news);
  const uint32_t splits[] = {60, 3};
  expect_advertisement(handle(nd_frame({}), splits), "2001:db8::1", true);
}

TEST(NdResponder, DefendsAgainstDuplicates) {
  Solicitation detection;
  detection.from = "::";
  detection.option = false;
  const Handled handled = handle(nd_frame(detection));
  expect_advertisement(handled, "ff02::1", false);
  EXPECT_EQ(wire::load_mac(handled.bytes.data()).to_string(), "33:33:00:00:00:01");
  EXPECT_FALSE(handled.outcome.news);
}

TEST(NdResponder, OthersTargetsOnlyTeach) {
  Solicitation other;
  other.target = "2001:db8::77";
  const Handled handled = handle(nd_frame(other));
  EXPECT_EQ(handled.outcome.reason, Reason::not_for_us);
  EXPECT_TRUE(handled.outcome.news && !handled.outcome.news->create);
}

TEST(NdResponder, LearnsFromAdvertisements) {
  Solicitation s;
  s.type = wire::icmp6::kNeighborAdvertisement;
  s.to = "2001:db8::fe";
  s.target = "2001:db8::1";
  s.solicited = true;
  const Handled handled = handle(nd_frame(s));
  EXPECT_EQ(handled.outcome.reason, Reason::neighbor_learned);
  EXPECT_TRUE(handled.outcome.news->solicited && !handled.outcome.news->override_known &&
              !handled.outcome.news->create);
  EXPECT_EQ(handled.outcome.news->mac, kClient);
  s.option = false;
  EXPECT_TRUE(handle(nd_frame(s)).outcome.news->mac.zero());
  s.target = "2001:db8::fe";
  EXPECT_FALSE(handle(nd_frame(s)).outcome.news) << "ours";
}

TEST(NdResponder, Malformed) {
  const auto expect_malformed = [](const Solicitation& s, const char* what) {
    EXPECT_EQ(handle(nd_frame(s)).outcome.reason, Reason::nd_malformed) << what;
  };
  Solicitation s;
  s.hop_limit = 254;
  expect_malformed(s, "forwarded");
  s = {};
  s.from = "::";
  expect_malformed(s, "an option from nobody");
  s.option = false;
  s.to = "2001:db8::fe";
  expect_malformed(s, "duplicate detection to one address");
  s = {};
  s.target = "ff02::1";
  expect_malformed(s, "a group as target");
  s = {};
  s.type = wire::icmp6::kNeighborAdvertisement;
  s.solicited = true;
  expect_malformed(s, "solicited, to a group");
  auto bytes = nd_frame({});
  bytes[56] ^= 1;
  EXPECT_EQ(handle(bytes).outcome.reason, Reason::nd_malformed) << "checksum";
}

TEST(NdResponder, RouterMessagesAreNotForUs) {
  for (const uint8_t type : std::initializer_list<uint8_t>{133, 134, 137}) {
    FrameBuilder builder = FrameBuilder().ipv6("fe80::1", "ff02::1").icmp(type, 0, 0).payload(40);
    builder.v6().hop_limit = 255;
    const Handled handled = handle(builder.bytes());
    EXPECT_EQ(handled.outcome.reason, Reason::not_for_us);
    EXPECT_FALSE(handled.outcome.news);
  }
}

TEST(NdResponder, Solicitations) {
  test::Frames frames;
  const Solicitor from{kOurs, address("2001:db8::fe"), 0};
  for (const wire::Mac& known : {wire::kBroadcastMac, kClient}) {
    const bool everyone = known == wire::kBroadcastMac;
    Segment* frame = make_neighbor_solicitation(frames.buffers, from, address("2001:db8::1"), known);
    ASSERT_NE(frame, nullptr);
    EXPECT_TRUE(is_neighbor_discovery(frame));
    EXPECT_TRUE(wire::sum_intact(wire::sum_l4(frame)));
    EXPECT_EQ(wire::load_mac(frame->data).to_string(), everyone ? "33:33:ff:00:00:01" : kClient.to_string());
    EXPECT_EQ(wire::destination_of(frame), address(everyone ? "ff02::1:ff00:1" : "2001:db8::1"));
    const auto message = NeighborDiscovery::parse({frame->data + frame->l4_offset, frame->l4_length}).value();
    EXPECT_EQ(message.target, address("2001:db8::1"));
    EXPECT_EQ(message.link_layer, kOurs);
    release(frame);
  }
}

}  // namespace
}  // namespace flatproxy
