// Which flows policies tell of, when, and how often.
#include <gtest/gtest.h>

#include "support/world.h"

namespace flatproxy {
namespace {

using test::Frame;
using test::World;

constexpr const char* kClient = "10.0.0.2";
constexpr const char* kWeb = "10.0.1.5";

/// A policy about what goes to a port of udp.
std::string rule(const std::string& action, unsigned port, const std::string& more = "") {
  std::string text = R"({"name":"p","direction":"ingress","subject":[0],"peer":null,"ports":[{"protocol":17,"first":)";
  text.append(std::to_string(port)).append(R"(,"last":)").append(std::to_string(port));
  return text.append(R"(}],"action":")").append(action).append("\"").append(more).append("}");
}

std::string log_rule(unsigned port, unsigned counter) {
  return rule("log", port, R"(,"counter":)" + std::to_string(counter));
}

std::string policies(const std::string& rules, const std::string& on_deny = "cut") {
  return R"({"default":"allow","onDeny":")" + on_deny +
         R"(","selectors":[{"cidrs":["0.0.0.0/0"],"except":[]}],"rules":[)" + rules + "]}";
}

class FlowLogTest : public testing::Test {
 protected:
  World& make(const std::string& rules, const std::string& services = "[]") {
    World::Options options;
    options.policies = policies(rules);
    options.services = services;
    world_ = std::make_unique<World>(options);
    world_->shared().want_events = true;
    return *world_;
  }
  void ask(uint16_t from, uint16_t port, const char* to = kWeb) {
    world_->send(0, Frame().from(kClient, from).to(to, port).udp());
  }
  /// At one time.
  void ask_many(uint16_t first, uint16_t count) {
    for (uint16_t i = 0; i < count; ++i) ask(static_cast<uint16_t>(first + i), 53);
  }
  void answer(uint16_t to, uint16_t port) { world_->send(1, Frame().from(kWeb, port).to(kClient, to).udp()); }
  /// Events of flows that were logged since the last call, in their order.
  std::vector<FlowEvent> logged() {
    std::vector<FlowEvent> found;
    FlowEvent event;
    while (world_->lane(0).flows().events().pop(event)) {
      if (event.kind == FlowEventKind::logged) found.push_back(event);
    }
    return found;
  }
  uint64_t flows(uint32_t counter) { return world_->lane(0).counters().policies.at(counter).flows.read(); }
  uint64_t untold(uint32_t counter) { return world_->lane(0).counters().policies.at(counter).untold.read(); }

  std::unique_ptr<World> world_;
};

TEST_F(FlowLogTest, ANewFlowIsToldOnceByEachThatMatches) {
  make(log_rule(53, 7) + "," + log_rule(54, 8) + "," + log_rule(53, 9));
  for (int i = 0; i < 3; ++i) ask(1000, 53);
  answer(1000, 53);
  const auto events = logged();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].log, 0u);
  EXPECT_EQ(events[1].log, 2u);
  EXPECT_EQ(events[0].flow.original.source_port, 1000);
  EXPECT_EQ(events[0].flow.reason, Reason::forwarded);
  EXPECT_EQ(events[0].flow.policy, FlowRecord::kNone);
  EXPECT_EQ(flows(7), 1u);
  EXPECT_EQ(flows(8), 0u);
  EXPECT_EQ(flows(9), 1u);
  ask(1000, 55);
  EXPECT_TRUE(logged().empty());
}

TEST_F(FlowLogTest, WhatIsRefusedIsToldOnceWithWhoRefusesIt) {
  make(rule("deny", 53) + "," + log_rule(53, 0));
  for (int i = 0; i < 5; ++i) ask(1000, 53);
  const auto events = logged();
  ASSERT_EQ(events.size(), 1u) << "wherever it stands";
  EXPECT_EQ(events[0].flow.reason, Reason::policy_denied);
  EXPECT_EQ(events[0].flow.policy, 0u);
  EXPECT_EQ(events[0].log, 1u);
  EXPECT_EQ(flows(0), 1u);
}

TEST_F(FlowLogTest, OfAServiceItIsTheEndpointsPort) {
  std::string service = test::service_json({kWeb}, "10.9.9.9", "udp");
  make(log_rule(8080, 0) + "," + log_rule(80, 1), service);
  ask(1000, 80, "10.9.9.9");
  const auto events = logged();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].log, 0u);
  EXPECT_EQ(events[0].flow.nat_port, 8080);
  EXPECT_EQ(events[0].flow.reason, Reason::service_forwarded);
}

TEST_F(FlowLogTest, FlowsThatRunAreToldUnderPoliciesThatAreNew) {
  make("");
  ask(1000, 53);
  ask(1001, 53);
  ask(1002, 54);
  world_->apply_policies(policies(log_rule(53, 0)));
  answer(1000, 53);
  ask(1000, 53);
  world_->run(50'000'000);
  auto events = logged();
  ASSERT_EQ(events.size(), 2u) << "one by its next packet, one by the sweep";
  EXPECT_EQ(events[0].flow.original.source_port, 1000);
  EXPECT_EQ(events[1].flow.original.source_port, 1001);
  world_->apply_workloads("[]");
  ask(1000, 53);
  world_->run(50'000'000);
  EXPECT_TRUE(logged().empty()) << "the policies are the same";
  world_->apply_policies(policies(log_rule(53, 0) + "," + log_rule(99, 1), "keep"));
  world_->run(50'000'000);
  EXPECT_EQ(logged().size(), 2u);
  world_->apply_policies(policies(rule("deny", 53) + "," + log_rule(53, 0)));
  ask(1000, 53);
  events = logged();
  ASSERT_EQ(events.size(), 1u) << "it was cut by its packet";
  EXPECT_EQ(events[0].flow.reason, Reason::policy_denied);
}

TEST_F(FlowLogTest, ALaneTellsABoundedNumberASecondAndCountsTheOthers) {
  make(log_rule(53, 0));
  ask_many(2000, 1500);
  const size_t told = logged().size();
  EXPECT_GE(told, FlowLog::kBurst);
  EXPECT_LE(told, FlowLog::kBurst + 20) << "time has gone on a little";
  EXPECT_EQ(flows(0), 1500u);
  EXPECT_EQ(untold(0), 1500 - told);
  world_->run(500'000'000);
  ask_many(9000, 1000);
  EXPECT_NEAR(static_cast<double>(logged().size()), FlowLog::kPerSecond / 2, 20);
}

TEST_F(FlowLogTest, WhereNobodyListensFlowsAreCountedAlone) {
  make(log_rule(53, 0));
  world_->shared().want_events = false;
  ask(1000, 53);
  EXPECT_EQ(flows(0), 1u);
  EXPECT_EQ(untold(0), 0u);
  EXPECT_TRUE(logged().empty());
}

}  // namespace
}  // namespace flatproxy
