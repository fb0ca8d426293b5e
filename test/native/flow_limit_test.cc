// What policies that limit do to packets and to new flows.
#include <gtest/gtest.h>

#include "support/world.h"

namespace flatproxy {
namespace {

using test::Frame;
using test::World;

constexpr const char* kClient = "10.0.0.2";
constexpr const char* kWeb = "10.0.1.5";
constexpr Nanoseconds kSecond = 1'000'000'000;

/// A policy about what goes to a port, or to any. @param more of the plan's rule, behind its action
std::string rule(const std::string& more, unsigned port = 0) {
  const std::string first = std::to_string(port);
  const std::string last = std::to_string(port == 0 ? 65535 : port);
  std::string text = R"({"name":"p","direction":"ingress","subject":[0],"peer":null,"ports":)";
  for (const char* protocol : {"6", "17"}) {
    text.append(*protocol == '6' ? "[" : ",").append(R"({"protocol":)").append(protocol);
    text.append(R"(,"first":)").append(first).append(R"(,"last":)").append(last).append("}");
  }
  return text.append("],").append(more).append("}");
}

/// So many in an hour: none comes anew during a test.
std::string limit(const std::string& of, unsigned burst, unsigned counter, unsigned port = 0) {
  return rule(R"("action":"limit","counter":)" + std::to_string(counter) + R"(,"limit":{"of":")" + of +
                  R"(","rate":1,"interval":3600000,"burst":)" + std::to_string(burst) + "}",
              port);
}

std::string policies(const std::string& rules) {
  return R"({"default":"allow","selectors":[{"cidrs":["10.0.1.0/24"],"except":[]}],"rules":[)" + rules + "]}";
}

class FlowLimitTest : public testing::Test {
 protected:
  World& make(const std::string& rules, const std::string& services = "[]", const std::string& listeners = "[]") {
    World::Options options;
    options.policies = policies(rules);
    options.services = services;
    options.listeners = listeners;
    world_ = std::make_unique<World>(options);
    return *world_;
  }
  /// How many of so many packets to web arrive.
  size_t ask(uint16_t from, uint16_t port, unsigned count = 1, const char* to = kWeb) {
    for (unsigned i = 0; i < count; ++i) world_->send(0, Frame().from(kClient, from).to(to, port).udp());
    return world_->take(1).size();
  }
  size_t answer(uint16_t to, uint16_t port, unsigned count = 1) {
    for (unsigned i = 0; i < count; ++i) world_->send(1, Frame().from(kWeb, port).to(kClient, to).udp());
    return world_->take(0).size();
  }
  const PolicyCounters& counters(uint32_t id) { return world_->lane(0).counters().policies.at(id); }

  std::unique_ptr<World> world_;
};

TEST_F(FlowLimitTest, PacketsOfAllFlowsAndBothWaysHaveOneLimit) {
  make(limit("packets", 10, 0, 53));
  EXPECT_EQ(ask(1000, 53, 4), 4u);
  EXPECT_EQ(ask(1001, 53, 3), 3u);
  EXPECT_EQ(answer(1000, 53, 5), 3u);
  EXPECT_EQ(ask(1001, 53, 5), 0u);
  EXPECT_EQ(ask(1002, 53, 5), 0u) << "nor may a new one";
  EXPECT_EQ(ask(1002, 54, 5), 5u) << "it is about others";
  EXPECT_EQ(world_->count(Reason::rate_limited), 12u);
  EXPECT_EQ(counters(0).limited_packets.read(), 12u);
  EXPECT_EQ(counters(0).flows.read(), 3u);
  EXPECT_EQ(world_->take(0).size(), 0u) << "nobody is told";
}

TEST_F(FlowLimitTest, BytesAreThoseOfThePackets) {
  const Frame sample = Frame().from(kClient, 1000).to(kWeb, 53).udp();
  const auto size = static_cast<unsigned>(sample.packet().size());
  make(limit("bytes", 3 * size + size / 2, 0));
  EXPECT_EQ(ask(1000, 53, 10), 3u);
  EXPECT_EQ(counters(0).limited_packets.read(), 7u);
  EXPECT_EQ(counters(0).limited_bytes.read(), 7u * (size + 14));
}

TEST_F(FlowLimitTest, NewFlowsAreRefusedAndThoseThatRunGoOn) {
  make(limit("flows", 2, 0, 53));
  world_->shared().want_events = true;
  EXPECT_EQ(ask(1000, 53, 4), 4u);
  EXPECT_EQ(ask(1001, 53, 4), 4u);
  EXPECT_EQ(ask(1002, 53, 4), 0u);
  EXPECT_EQ(answer(1000, 53, 4), 4u);
  EXPECT_EQ(world_->flows(), 2u);
  EXPECT_EQ(world_->count(Reason::rate_limited), 4u);
  EXPECT_EQ(counters(0).flows.read(), 3u);
  EXPECT_EQ(counters(0).limited_packets.read(), 4u);
  unsigned denied = 0;
  FlowEvent event;
  while (world_->lane(0).flows().events().pop(event)) {
    if (event.kind != FlowEventKind::denied) continue;
    ++denied;
    EXPECT_EQ(event.flow.reason, Reason::rate_limited);
    EXPECT_EQ(event.flow.policy, 0u);
  }
  EXPECT_EQ(denied, 1u) << "it is told as what is denied";
  EXPECT_FALSE(world_->lane(0).flows().denied().empty());
}

TEST_F(FlowLimitTest, WhatOneLimitDropsCostsNoOtherAnything) {
  make(limit("packets", 10, 0) + "," + limit("packets", 4, 1, 53) + "," + limit("flows", 2, 2) + "," +
       limit("flows", 1, 3, 55));
  EXPECT_EQ(ask(1000, 53, 20), 4u);
  EXPECT_EQ(counters(1).limited_packets.read(), 16u);
  EXPECT_EQ(counters(0).limited_packets.read(), 0u);
  EXPECT_EQ(answer(1000, 53), 0u);
  world_->apply_policies(policies(limit("packets", 10, 0)));
  EXPECT_EQ(ask(1000, 53, 20), 6u) << "the bucket is the same";
}

TEST_F(FlowLimitTest, ALimitIsNotAskedAboutWhatIsDenied) {
  make(limit("flows", 1, 0) + "," + rule(R"("action":"deny")", 53));
  EXPECT_EQ(ask(1000, 53, 5), 0u);
  EXPECT_EQ(world_->count(Reason::policy_denied), 5u);
  EXPECT_EQ(ask(1000, 54), 1u);
}

TEST_F(FlowLimitTest, TokensComeWithTheLanesTime) {
  make(rule(R"("action":"limit","counter":0,"limit":{"of":"packets","rate":100,"interval":1000,"burst":5})"));
  EXPECT_EQ(ask(1000, 53, 20), 5u);
  world_->run(30'000'000);
  EXPECT_EQ(ask(1000, 53, 20), 3u);
  world_->run(10 * kSecond);
  EXPECT_EQ(ask(1000, 53, 20), 5u);
}

TEST_F(FlowLimitTest, FlowsThatRunGetLimitsAndLoseThem) {
  make("", test::service_json({kWeb}, "10.9.9.9", "udp"));
  EXPECT_EQ(ask(1000, 80, 3, "10.9.9.9"), 3u);
  world_->apply_policies(policies(limit("packets", 2, 0, 8080)));
  EXPECT_EQ(answer(1000, 8080, 1), 1u);
  EXPECT_EQ(ask(1000, 80, 5, "10.9.9.9"), 1u) << "the first packet under them counts";
  EXPECT_EQ(counters(0).flows.read(), 1u);
  world_->apply_policies(policies(limit("packets", 2, 0, 9)));
  EXPECT_EQ(ask(1000, 80, 5, "10.9.9.9"), 5u);
  EXPECT_EQ(counters(0).flows.read(), 1u);
}

TEST_F(FlowLimitTest, PacketsThatMakeNoFlowCountAsPackets) {
  make(R"({"name":"p","direction":"ingress","subject":[0],"peer":null,"ports":null,"action":"limit","counter":0,)"
       R"("limit":{"of":"packets","rate":1,"interval":3600000,"burst":3}})");
  for (int i = 0; i < 5; ++i) world_->send(0, Frame().from(kClient).to(kWeb).icmp_error(13, 0, {}));
  EXPECT_EQ(world_->take(1).size(), 3u);
  EXPECT_EQ(world_->count(Reason::rate_limited), 2u);
}

TEST_F(FlowLimitTest, OfAListenerTheSynsThatOpenCount) {
  const std::string at = R"({"default":"allow","selectors":[{"cidrs":["10.8.8.8"],"except":[]}],"rules":[)";
  World::Options options;
  options.services = test::service_json({kWeb});
  options.listeners = test::listener_json("10.8.8.8", 9000);
  options.policies = at + limit("flows", 2, 0) + "," + limit("packets", 1, 1) + "]}";
  world_ = std::make_unique<World>(options);
  const auto knock = [&](uint16_t from) {
    world_->send(0, Frame().from(kClient, from).to("10.8.8.8", 9000).tcp("S", 100));
    return world_->take(0).size();
  };
  EXPECT_EQ(knock(1000), 1u);
  knock(1000);
  knock(1000);
  EXPECT_EQ(world_->count(Reason::rate_limited), 0u) << "sent again";
  EXPECT_EQ(knock(1001), 1u);
  EXPECT_EQ(knock(1002), 0u);
  EXPECT_EQ(world_->count(Reason::rate_limited), 1u);
  EXPECT_EQ(world_->lane(0).tcp().stack().connections(), 2u);
}

TEST_F(FlowLimitTest, LanesShareIt) {
  World::Options options;
  options.lanes = 2;
  options.policies = policies(limit("packets", 64, 0));
  world_ = std::make_unique<World>(options);
  size_t passed = 0;
  for (uint16_t i = 0; i < 400; ++i) {
    world_->send(0, Frame().from(kClient, static_cast<uint16_t>(1000 + i % 40)).to(kWeb, 53).udp(), i % 2);
    passed += world_->take(1).size();
  }
  EXPECT_LE(passed, 64u);
  EXPECT_GE(passed, 60u) << "but for a sixteenth";
}

}  // namespace
}  // namespace flatproxy
