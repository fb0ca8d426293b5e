// Flows of joined ports are kept apart by VLAN: the same addresses and ports in several of them, and by a route.
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "conntrack/fragment_table.h"
#include "support/ask.h"
#include "support/roce.h"
#include "support/world.h"

namespace flatproxy {
namespace {

using test::content;
using test::Frame;
using test::peer_mac;
using test::World;
using Bytes = std::vector<uint8_t>;
using Ids = std::initializer_list<uint16_t>;

constexpr HashKey kKey = hash_key(1);

/// Clients are behind port 0, servers behind port 1; nobody may open a connection to port 22 of web.
World::Options linked(unsigned lanes = 1) {
  World::Options o;
  o.ports = 3;
  o.joined = true;
  o.lanes = lanes;
  o.neighbors_answer = false;
  o.policies =
      std::string(R"({"default":"allow","selectors":[{"cidrs":["10.0.0.9","fd00::9"],"except":[]}],"rules":[)") +
      R"({"name":"p","direction":"ingress","subject":[0],"peer":null,)" +
      R"("ports":[{"protocol":6,"first":22,"last":22}],"action":"deny"}]})";
  return o;
}

/// One side of a conversation, over either IP version.
struct Ends {
  const char* client;
  const char* web;
};
constexpr Ends kV4{"10.0.0.2", "10.0.0.9"};
constexpr Ends kV6{"fd00::2", "fd00::9"};

Frame udp(const Ends& ends) { return Frame().from(ends.client, 5000).to(ends.web, 53).udp().payload("x"); }
Frame udp_back(const Ends& ends) { return Frame().from(ends.web, 53).to(ends.client, 5000).udp().payload("x"); }

/// Whether a frame comes out on the other side as it was sent, in its VLAN; 0: without a tag.
bool passes(World& world, unsigned from, uint16_t vlan, Frame frame, unsigned queue = 0) {
  Bytes bytes = frame.macs(peer_mac(from), peer_mac(1 - from)).bytes();
  if (vlan != 0) {
    const uint8_t tag[] = {0x81, 0, static_cast<uint8_t>(vlan >> 8), static_cast<uint8_t>(vlan)};
    bytes.insert(bytes.begin() + 12, std::begin(tag), std::end(tag));
  }
  Segment* sent = world.buffers().small.allocate();
  append(sent, bytes.data(), static_cast<uint32_t>(bytes.size()), world.buffers());
  world.inject(from, sent, queue);
  world.run();
  const std::vector<Segment*> came = world.take_frames(1 - from);
  EXPECT_LE(came.size(), 1u);
  if (came.empty()) return false;
  EXPECT_EQ(content(came[0]), bytes);
  return true;
}

/// All flows of a world, whatever the lane.
std::vector<FlowRecord> flows_of(World& world, unsigned lanes = 1) {
  std::vector<FlowRecord> flows;
  for (unsigned i = 0; i < lanes; ++i) {
    const FlowTable& table = world.lane(i).flows().conntrack().table();
    for (FlowId id = 0; id < table.id_limit(); ++id) {
      if (table.in_use(id)) flows.push_back(world.lane(i).flows().record(id));
    }
  }
  return flows;
}

TEST(FlowZone, AZoneMakesAnotherFlowOfTheSameTuple) {
  FlowTable table(64, kKey);
  const auto at = [](const char* text) { return *wire::Address::parse(text); };
  for (const Ends& ends : {kV4, kV6}) {
    const auto family = static_cast<uint8_t>(at(ends.client).is_v4() ? 4 : 6);
    std::map<uint16_t, FlowId> ids;
    for (const uint16_t zone : Ids{0, 0x8000, 0x800a, 0x8014}) {
      const Tuple t{at(ends.client), at(ends.web), 5000, 53, 17, family, zone};
      EXPECT_EQ(table.find(t, flow_hash(t, kKey)).id, kNoFlow) << zone;
      EXPECT_EQ(flow_hash(t, kKey), flow_hash(t.reversed(), kKey));
      EXPECT_EQ(routed_hash(t, kKey) == flow_hash(t, kKey), zone == 0);
      ids[zone] = table.open(t, flow_hash(t, kKey), nullptr);
    }
    for (const auto& [zone, id] : ids) {
      const Tuple t{at(ends.client), at(ends.web), 5000, 53, 17, family, zone};
      EXPECT_EQ(table.find(t, flow_hash(t, kKey)).id, id);
      const FlowMatch back = table.find(t.reversed(), flow_hash(t, kKey));
      EXPECT_EQ(back.id, id);
      EXPECT_EQ(back.direction, kReply);
      EXPECT_EQ(table.original(id), t);
      EXPECT_EQ(table.reply(id), t.reversed());
      EXPECT_EQ(t.vlan(), zone == 0 ? 0 : zone - 0x8000);
    }
  }
}

TEST(FlowZone, TheSameHashIsNoMatchInAnotherZone) {
  FlowTable table(64, kKey);
  const auto at = [](const char* text) { return *wire::Address::parse(text); };
  for (const Ends& ends : {kV4, kV6}) {
    const auto family = static_cast<uint8_t>(at(ends.client).is_v4() ? 4 : 6);
    Tuple t{at(ends.client), at(ends.web), 5000, 53, 17, family, 0x800a};
    table.open(t, 7, nullptr);
    for (const uint16_t zone : Ids{0, 0x8000, 0x8014}) {
      t.zone = zone;
      EXPECT_EQ(table.find(t, 7).id, kNoFlow) << zone;
    }
    if (family == 4) {
      const TupleV4 routed{t.source.v4() | uint64_t{t.destination.v4()} << 32, uint32_t{5000} << 16 | 53, 17};
      EXPECT_EQ(table.find(routed, 7, 0).id, kNoFlow);
    }
  }
}

TEST(FlowZone, EachVlanHasItsFlowAndItsCounts) {
  for (const Ends& ends : {kV4, kV6}) {
    World world(linked());
    unsigned sent = 0;
    for (const uint16_t vlan : Ids{0, 10, 20}) {
      for (unsigned i = 0; i <= sent; ++i) EXPECT_TRUE(passes(world, 0, vlan, udp(ends)));
      EXPECT_TRUE(passes(world, 1, vlan, udp_back(ends)));
      ++sent;
    }
    const std::vector<FlowRecord> flows = flows_of(world);
    ASSERT_EQ(flows.size(), 3u);
    const uint16_t vlans[] = {0, 10, 20};
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(flows[i].original.vlan(), vlans[i]);
      EXPECT_EQ(flows[i].packets[kOriginal], i + 1);
      EXPECT_EQ(flows[i].packets[kReply], 1u);
      EXPECT_EQ(flows[i].reason, Reason::passed_on);
    }
    EXPECT_TRUE(passes(world, 1, 30, udp_back(ends)));
    EXPECT_EQ(flows_of(world).back().ingress, 1u) << "an answer in another VLAN is none";
  }
}

TEST(FlowZone, WindowsAreThoseOfEachVlan) {
  World world(linked());
  const auto web = [](const char* flags, uint32_t sequence, uint32_t ack) {
    return Frame().from(kV4.web, 80).to(kV4.client, 6000).tcp(flags, sequence, ack);
  };
  const auto client = [](const char* flags, uint32_t sequence, uint32_t ack = 0) {
    return Frame().from(kV4.client, 6000).to(kV4.web, 80).tcp(flags, sequence, ack);
  };
  const std::pair<uint16_t, uint32_t> starts[] = {{10, 1000}, {20, 3'000'000'000}};
  for (const auto& [vlan, start] : starts) EXPECT_TRUE(passes(world, 0, vlan, client("S", start)));
  for (const auto& [vlan, start] : starts) EXPECT_TRUE(passes(world, 1, vlan, web("SA", start + 7, start + 1)));
  for (const auto& [vlan, start] : starts) EXPECT_TRUE(passes(world, 0, vlan, client("A", start + 1, start + 8)));
  EXPECT_FALSE(passes(world, 0, 10, client("PA", 3'000'000'001, 3'000'000'008).payload("x")));
  EXPECT_EQ(world.count(Reason::tcp_out_of_window), 1u);
  EXPECT_TRUE(passes(world, 0, 20, client("PA", 3'000'000'001, 3'000'000'008).payload("x")));
  for (const FlowRecord& flow : flows_of(world)) EXPECT_EQ(flow.state, FlowState::tcp_established);
}

TEST(FlowZone, WhatIsRefusedIsToldForEachVlan) {
  World world(linked());
  const auto syn = [] { return Frame().from(kV4.client, 6000).to(kV4.web, 22).tcp("S", 1); };
  for (const uint16_t vlan : Ids{10, 20, 10}) EXPECT_FALSE(passes(world, 0, vlan, syn()));
  std::map<uint16_t, uint64_t> refused;
  const DeniedFlows& denied = world.lane(0).flows().denied();
  for (uint32_t place = 0; place < DeniedFlows::kSets * DeniedFlows::kWays; ++place) {
    if (const FlowRecord* flow = denied.at(place)) refused[flow->original.vlan()] += flow->packets[kOriginal];
  }
  EXPECT_EQ(refused, (std::map<uint16_t, uint64_t>{{10, 2}, {20, 1}}));
}

TEST(FlowZone, ErrorsAreAboutTheFlowOfTheirVlan) {
  for (const Ends& ends : {kV4, kV6}) {
    World::Options options = linked();
    // What makes no flow may not come from web: an error passes along its flow alone.
    options.policies =
        std::string(R"({"default":"allow","selectors":[{"cidrs":["10.0.0.9","fd00::9"],"except":[]}],)") +
        R"("rules":[{"name":"p","direction":"egress","subject":[0],"peer":null,)" +
        R"("ports":[{"protocol":1,"first":0,"last":0},{"protocol":58,"first":0,"last":0}],)" + R"("action":"deny"}]})";
    World world(options);
    EXPECT_TRUE(passes(world, 0, 10, udp(ends)));
    const bool v4 = std::string_view(ends.web).find(':') == std::string_view::npos;
    const auto error = [&] {
      return Frame().from(ends.web).to(ends.client).icmp_error(v4 ? 3 : 1, v4 ? 3 : 4, udp(ends).packet());
    };
    EXPECT_TRUE(passes(world, 1, 10, error()));
    EXPECT_FALSE(passes(world, 1, 20, error()));
    EXPECT_FALSE(passes(world, 1, 0, error()));
    EXPECT_EQ(world.count(Reason::policy_denied), 2u);
  }
}

TEST(FlowZone, FragmentsOfTwoVlansAreNotMixed) {
  World world(linked());
  const auto part = [](uint16_t port, uint32_t offset, uint32_t size) {
    return Frame().from(kV4.client, port).to(kV4.web, 53).udp().payload_of(1000).fragment(9, offset, size);
  };
  EXPECT_TRUE(passes(world, 0, 10, part(5000, 0, 504)));
  EXPECT_FALSE(passes(world, 0, 20, part(6000, 504, 0))) << "it waits for the first one of its VLAN";
  EXPECT_EQ(world.lane(0).flows().fragments().waiting(), 1u);
  EXPECT_TRUE(passes(world, 0, 10, part(5000, 504, 0)));
  std::vector<FlowRecord> flows = flows_of(world);
  ASSERT_EQ(flows.size(), 1u);
  EXPECT_EQ(flows[0].packets[kOriginal], 2u);
  EXPECT_EQ(world.lane(0).flows().fragments().waiting(), 1u);
}

TEST(FlowZone, OneLaneHasTheFlowOfAVlanWhicheverQueueItsPacketsComeBy) {
  constexpr unsigned kLanes = 3;
  for (const Ends& ends : {kV4, kV6}) {
    World world(linked(kLanes));
    for (unsigned i = 0; i < 2 * kLanes; ++i) {
      for (const uint16_t vlan : Ids{0, 10, 20}) {
        EXPECT_TRUE(passes(world, 0, vlan, udp(ends), i % kLanes));
        EXPECT_TRUE(passes(world, 1, vlan, udp_back(ends), (i + 1) % kLanes));
        for (const uint32_t offset : {0u, 504u}) {
          Frame whole = Frame().from(ends.client, 5000).to(ends.web, 53).udp().payload_of(1000);
          EXPECT_TRUE(passes(world, 0, vlan, whole.fragment(static_cast<uint16_t>(i), offset, offset == 0 ? 504 : 0),
                             (i + offset) % kLanes));
        }
      }
    }
    const std::vector<FlowRecord> flows = flows_of(world, kLanes);
    ASSERT_EQ(flows.size(), 3u);
    for (const FlowRecord& flow : flows) {
      EXPECT_EQ(flow.packets[kOriginal], 3u * 2 * kLanes);
      EXPECT_EQ(flow.packets[kReply], 2u * kLanes);
    }
  }
}

/// A listener that intercepts looks at TCP first, and hands it to the lane where its connections are.
TEST(FlowZone, OneLaneHasItAlsoWhereAListenerHasPassedItOn) {
  constexpr unsigned kLanes = 3;
  World::Options options = linked(kLanes);
  options.listeners = test::intercept_json("10.0.0.9", 80);
  World world(options);
  for (uint16_t port = 6000; port < 6012; ++port) {
    const Frame data = Frame().from(kV4.client, port).to(kV4.web, 80).tcp("A", 100, 200);
    const Frame answer = Frame().from(kV4.web, 80).to(kV4.client, port).tcp("A", 200, 100);
    EXPECT_TRUE(passes(world, 0, 10, data, port % kLanes)) << "in mid-stream: it is no connection of ours";
    EXPECT_TRUE(passes(world, 1, 10, answer, (port + 1) % kLanes));
    EXPECT_TRUE(passes(world, 0, 20, data, (port + 2) % kLanes));
  }
  const std::vector<FlowRecord> flows = flows_of(world, kLanes);
  EXPECT_EQ(flows.size(), 24u);
  for (const FlowRecord& flow : flows) EXPECT_EQ(flow.packets[kReply], flow.original.vlan() == 10 ? 1u : 0u);
}

TEST(FlowZone, RoceIsCountedForEachVlan) {
  World world(linked());
  const auto packet = [] {
    return test::roce_frame(kV4.client, kV4.web, test::roce_payload(test::roce_opcode::kSendOnly, 7, 1));
  };
  for (const uint16_t vlan : Ids{10, 20, 10}) EXPECT_TRUE(passes(world, 0, vlan, packet()));
  const RoceStage& roce = world.lane(0).roce();
  ASSERT_EQ(roce.table().size(), 2u);
  EXPECT_EQ(roce.record(0).original.vlan(), 10u);
  EXPECT_EQ(roce.record(0).packets[kOriginal], 2u);
  EXPECT_EQ(roce.record(1).original.vlan(), 20u);
  EXPECT_EQ(roce.record(1).packets[kOriginal], 1u);
  EXPECT_EQ(roce.record(1).reason, Reason::passed_on);
}

TEST(FlowZone, ExplainsByTheFlowOfTheVlan) {
  World world(linked(2));
  EXPECT_TRUE(passes(world, 0, 10, udp(kV4)));
  FirstPacket packet;
  packet.tuple = {*wire::Address::parse(kV4.client), *wire::Address::parse(kV4.web), 5000, 53, 17, 4};
  for (const uint16_t vlan : Ids{10, 20, 0}) {
    packet.vlan = vlan;
    const Explanation said = test::ask(world, 2, packet);
    EXPECT_EQ(said.reason, Reason::passed_on);
    const bool runs = std::any_of(said.steps.begin(), said.steps.end(),
                                  [](const ExplainStep& step) { return step.step == Step::flow; });
    EXPECT_EQ(runs, vlan == 10) << vlan;
  }
  packet.vlan = 10;
  packet.port = 2;
  const Explanation routed = test::ask(world, 2, packet);
  EXPECT_EQ(routed.reason, Reason::vlan_unknown);
  ASSERT_FALSE(routed.steps.empty());
  EXPECT_EQ(routed.steps.back().step, Step::vlan);
  EXPECT_EQ(routed.steps.back().id, 10u);
}

}  // namespace
}  // namespace flatproxy
