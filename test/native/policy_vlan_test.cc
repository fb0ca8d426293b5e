// Policies that look at the VLAN a flow comes in: flows, RoCEv2, connections that are intercepted.
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "support/listener_world.h"
#include "support/roce.h"

namespace flatproxy::test {
namespace {

constexpr const char* kClient = "10.0.0.2";
constexpr const char* kWeb = "10.0.0.9";
constexpr const char* kTen = R"([{"first":10,"last":10}])";

/// About what web receives. @param more members of the rule
std::string rule(const std::string& action, const std::string& vlans, const std::string& more = "") {
  return R"({"name":"p","direction":"ingress","subject":[0],"peer":null,"ports":null,"vlans":)" + vlans +
         R"(,"action":")" + action + "\"" + more + "}";
}

std::string policies(const std::string& rules) {
  return R"({"default":"allow","selectors":[{"cidrs":["10.0.0.9","10.0.0.3"],"except":[]}],"rules":[)" + rules + "]}";
}

/// The client is behind port 0, web behind port 1, which are joined.
World::Options linked(const std::string& rules) {
  World::Options o;
  o.ports = 3;
  o.joined = true;
  o.neighbors_answer = false;
  o.policies = policies(rules);
  return o;
}

bool passes(World& world, unsigned from, uint16_t vlan, const Frame& frame) {
  world.send(from, frame, 0, vlan);
  return world.take(1 - from).size() == 1;
}

Frame udp() { return Frame().from(kClient, 5000).to(kWeb, 53).udp(); }
Frame udp_back() { return Frame().from(kWeb, 53).to(kClient, 5000).udp(); }

TEST(PolicyVlan, OfTheSameAddressesOneVlanIsAllowedAndAnotherDenied) {
  World world(linked(rule("deny", R"([{"first":20,"last":29}])") + "," + rule("allow", kTen)));
  EXPECT_TRUE(passes(world, 0, 10, udp()));
  EXPECT_FALSE(passes(world, 0, 20, udp()));
  EXPECT_FALSE(passes(world, 0, 29, udp()));
  EXPECT_EQ(world.count(Reason::policy_denied), 2u);
  EXPECT_FALSE(passes(world, 0, 30, udp())) << "the allow isolates web in every VLAN";
  EXPECT_FALSE(passes(world, 0, 0, udp()));
  EXPECT_EQ(world.count(Reason::policy_default_deny), 2u);
  EXPECT_TRUE(passes(world, 1, 10, udp_back()));
  EXPECT_TRUE(passes(world, 1, 20, udp_back())) << "nobody judges what web opens";
}

TEST(PolicyVlan, WhatIsRoutedIsUntagged) {
  for (const bool untagged : {true, false}) {
    World::Options options;
    options.policies = R"({"default":"allow","selectors":[{"cidrs":["0.0.0.0/0"],"except":[]}],"rules":[)" +
                       rule("deny", untagged ? R"([{"first":0,"last":0}])" : R"([{"first":1,"last":4094}])") + "]}";
    World world(options);
    world.send(0, Frame().from("10.0.0.2", 5000).to("10.0.1.2", 53).udp());
    EXPECT_EQ(world.take(1).size(), untagged ? 0u : 1u);
    world.send(0, Frame().from("10.0.0.2", 5000).to("10.0.1.2", 53).udp(), 0, 10);
    EXPECT_EQ(world.count(Reason::vlan_unknown), 1u);
  }
}

TEST(PolicyVlan, OfWhatMakesNoFlowIsEachPackets) {
  World world(linked(rule("reject", kTen)));
  const Frame unrelated = Frame().from(kClient).to(kWeb).icmp_error(3, 3, udp_back().packet());
  EXPECT_FALSE(passes(world, 0, 10, unrelated));
  EXPECT_TRUE(passes(world, 0, 20, unrelated));
  EXPECT_EQ(world.count(Reason::policy_rejected), 1u);
}

TEST(PolicyVlan, AChangeCutsTheFlowOfTheVlanAndNoOther) {
  World world(linked(rule("log", kTen, R"(,"counter":0)")));
  for (const int vlan : {10, 20}) EXPECT_TRUE(passes(world, 0, static_cast<uint16_t>(vlan), udp()));
  EXPECT_EQ(world.lane(0).counters().policies.at(0).flows.read(), 1u);
  world.apply_policies(policies(rule("deny", kTen)));
  EXPECT_FALSE(passes(world, 1, 10, udp_back()));
  EXPECT_TRUE(passes(world, 1, 20, udp_back()));
  EXPECT_TRUE(passes(world, 0, 20, udp()));
  EXPECT_EQ(world.flows(), 1u);
}

TEST(PolicyVlan, TheSweepEndsASilentFlowOfTheVlan) {
  World world(linked(rule("allow", R"([{"first":0,"last":4094}])")));
  for (const int vlan : {10, 20}) EXPECT_TRUE(passes(world, 0, static_cast<uint16_t>(vlan), udp()));
  world.apply_policies(policies(rule("deny", kTen)));
  world.run(50 * kMillisecond);
  ASSERT_EQ(world.flows(), 1u);
  EXPECT_EQ(world.lane(0).flows().record(1).original.vlan(), 20u);
}

TEST(PolicyVlan, OfRoceIsItsFlowsToo) {
  World world(linked(rule("deny", kTen)));
  const Frame packet = roce_frame(kClient, kWeb, roce_payload(roce_opcode::kSendOnly, 7, 1));
  EXPECT_FALSE(passes(world, 0, 10, packet));
  EXPECT_TRUE(passes(world, 0, 20, packet));
  EXPECT_TRUE(passes(world, 0, 0, packet));
  EXPECT_EQ(world.lane(0).roce().table().size(), 2u);
  world.apply_policies(policies(rule("deny", R"([{"first":20,"last":20}])")));
  EXPECT_TRUE(passes(world, 0, 10, packet));
  EXPECT_FALSE(passes(world, 0, 20, packet));
}

struct PolicyVlanRelayed : ListenerWorld {
  static constexpr uint16_t kPort = 8080;  // what WorldPeers listen on

  /// A listener intercepts what the client opens to 10.0.0.3, in a VLAN.
  void make_joined(uint16_t vlan, const std::string& rules) {
    World::Options options = linked(rules);
    options.services = service_json({"10.0.0.9"}, "10.9.9.9");
    options.listeners = intercept_json("0.0.0.0/0", kPort);
    world = std::make_unique<World>(options);
    client = std::make_unique<WorldPeer>(*world, 0, kClient, 0);
    server = std::make_unique<WorldPeer>(*world, 1, "10.0.0.3", 0);
    client->gateway = peer_mac(1);
    server->gateway = peer_mac(0);
    client->vlan = server->vlan = vlan;
  }
  size_t opened() {
    open(kPort, "10.0.0.3");
    return client->open.size();
  }
};

TEST_F(PolicyVlanRelayed, IsThatOfTheConnectionsSyn) {
  for (const int vlan : {0, 10, 20}) {
    make_joined(static_cast<uint16_t>(vlan), rule("deny", kTen));
    EXPECT_EQ(opened(), vlan == 10 ? 0u : 1u);
    EXPECT_EQ(world->count(Reason::policy_denied) > 0, vlan == 10);
    client.reset();
    server.reset();
  }
}

TEST_F(PolicyVlanRelayed, IsKeptForTheEndpointForListsAndWhenPoliciesChange) {
  for (const int vlan : {10, 20}) {
    make_joined(static_cast<uint16_t>(vlan), rule("log", kTen, R"(,"counter":0)"));
    ASSERT_EQ(opened(), 1u);
    ASSERT_EQ(server->open.size(), 1u);
    FlowRecord shown;
    ASSERT_TRUE(world->lane(0).tcp().record(0, shown));
    EXPECT_EQ(shown.original.vlan(), vlan);
    EXPECT_EQ(world->lane(0).counters().policies.at(0).flows.read(), vlan == 10 ? 1u : 0u);
    world->apply_policies(policies(rule("deny", kTen)));
    run();
    EXPECT_EQ(counters().denied.read(), vlan == 10 ? 1u : 0u) << "by the sweep";
    client.reset();
    server.reset();
  }
}

}  // namespace
}  // namespace flatproxy::test
