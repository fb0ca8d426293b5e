#include <gtest/gtest.h>

#include "support/plan_text.h"

namespace flatproxy {
namespace {

using test::PlanText;
using ConfigPolicies = test::PlanTest;

constexpr const char* kRule =
    R"({"name":"p","direction":"ingress","subject":[0],"peer":[1],"ports":[{"protocol":6,"first":80,"last":90}],)"
    R"("action":"reject"})";

std::string policies(const std::string& rules, const std::string& selectors) {
  return R"({"default":"deny","selectors":[)" + selectors + R"(],"rules":[)" + rules + "]}";
}

std::string some() {
  return policies(kRule, R"({"workloads":[0]},{"cidrs":["10.0.0.0/8"],"except":["10.9.0.0/16"]},{"workloads":"all"})");
}

TEST_F(ConfigPolicies, WorkloadsBecomeTheirAddresses) {
  PlanText plan;
  plan.workloads = R"([{"id":0,"name":"w","port":0,"addresses":["10.0.0.9","fd00::9"]},)"
                   R"({"id":4,"name":"v","port":2,"addresses":["10.0.0.8"]}])";
  plan.policies = some();
  const auto snapshot = build(plan);
  const PolicySet& set = snapshot->policies->set();
  const auto prefix = [](const char* text) { return *wire::Prefix::parse(text); };
  EXPECT_TRUE(set.deny_by_default);
  EXPECT_EQ(set.selectors[0], (Selector{{prefix("10.0.0.9/32"), prefix("fd00::9/128")}, {}}));
  EXPECT_EQ(set.selectors[1], (Selector{{prefix("10.0.0.0/8")}, {prefix("10.9.0.0/16")}}));
  EXPECT_EQ(set.selectors[2].within.size(), 3u);
  EXPECT_EQ(set.policies,
            (std::vector<Policy>{{"p", PolicyDirection::ingress, {0}, {{1}}, {{6, 80, 90}}, PolicyAction::reject}}));
  EXPECT_FALSE(snapshot->sources->admits(2, *wire::Address::parse("10.0.0.9"), *snapshot->routes));
  EXPECT_TRUE(snapshot->sources->admits(0, *wire::Address::parse("10.0.0.9"), *snapshot->routes));
}

TEST_F(ConfigPolicies, ThoseThatGoOnHaveCounters) {
  PlanText plan;
  plan.policies = some();
  const auto with = [&](const std::string& action) {
    std::string text = some();
    return text.replace(text.find(R"("reject")"), 8, action);
  };
  plan.policies = with(R"("log","counter":65535)");
  const Policy policy = build(plan)->policies->set().policies[0];
  EXPECT_EQ(policy.action, PolicyAction::log);
  EXPECT_EQ(policy.counter, 65535u);
  plan.policies = with(R"("log")");
  EXPECT_NE(refusal(plan.text()).find("counter"), std::string::npos);
  plan.policies = with(R"("log","counter":65536)");
  EXPECT_NE(refusal(plan.text()).find("policies.rules[0].counter"), std::string::npos);
  plan.policies = with(R"("deny","counter":1)");
  EXPECT_NE(refusal(plan.text()).find("policies.rules[0]"), std::string::npos);
}

TEST_F(ConfigPolicies, ThoseThatLimitSayHowMuch) {
  PlanText plan;
  const auto with = [&](const std::string& limit) {
    std::string text = some();
    return text.replace(text.find(R"("reject")"), 8, R"("limit","counter":0,"limit":)" + limit);
  };
  plan.policies = with(R"({"of":"bytes","rate":1000,"interval":60000,"burst":5000})");
  const PolicyLimit expected{LimitOf::bytes, 1000, 60'000'000'000, 5000};
  EXPECT_EQ(build(plan)->policies->set().policies[0].limit, expected);
  plan.policies = with(R"({"of":"bits","rate":1000,"interval":1000,"burst":5000})");
  EXPECT_NE(refusal(plan.text()).find("policies.rules[0].limit.of"), std::string::npos);
  plan.policies = with(R"({"of":"bytes","rate":0,"interval":1000,"burst":5000})");
  EXPECT_NE(refusal(plan.text()).find("policies.rules[0].limit.rate"), std::string::npos);
  plan.policies = with(R"({"of":"bytes","rate":1,"interval":3600001,"burst":5000})");
  EXPECT_NE(refusal(plan.text()).find("policies.rules[0].limit.interval"), std::string::npos);
}

TEST_F(ConfigPolicies, ThoseThatMirrorSayWhereTo) {
  PlanText plan;
  const auto with = [&](const std::string& mirror) {
    std::string text = some();
    return text.replace(text.find(R"("reject")"), 8, R"("mirror","counter":0,"mirror":)" + mirror);
  };
  plan.policies = with(R"({"port":2,"snapLength":96})");
  EXPECT_EQ(build(plan)->policies->set().policies[0].mirror, (PolicyMirror{2, 96}));
  EXPECT_TRUE(build(plan)->policies->mirrors_to(2));
  EXPECT_FALSE(build(plan)->policies->mirrors_to(0));
  plan.policies = with(R"({"port":2,"snapLength":null})");
  EXPECT_EQ(build(plan)->policies->set().policies[0].mirror, (PolicyMirror{2, ~0u}));
  plan.policies = with(R"({"port":1,"snapLength":null})");
  EXPECT_NE(refusal(plan.text()).find("'p' mirrors to no port"), std::string::npos);
}

TEST_F(ConfigPolicies, SharesWhatDoesNotChange) {
  PlanText plan;
  plan.policies = some();
  const auto first = build(plan);
  PlanText next = PlanText::after(*first);
  const auto second = build(next, first.get());
  EXPECT_EQ(second->policies, first->policies);
  EXPECT_EQ(second->sources, first->sources);
  next.policies = some();
  EXPECT_EQ(build(next, first.get())->policies, first->policies) << "the same, after all";
  next.policies = policies("", "");
  EXPECT_TRUE(build(next, first.get())->policies->set().policies.empty());
}

TEST_F(ConfigPolicies, ContradictionsAreRefused) {
  PlanText plan;
  plan.policies = policies(kRule, R"({"workloads":[7]},{"workloads":[]})");
  EXPECT_NE(refusal(plan.text()).find("workload 7"), std::string::npos);
  plan.policies = policies(kRule, R"({"workloads":[0]})");
  EXPECT_NE(refusal(plan.text()).find("policies.rules[0].peer[0]"), std::string::npos);
  plan.policies = policies(kRule, "");
  EXPECT_NE(refusal(plan.text()).find("policies.rules[0].subject[0]"), std::string::npos);
  plan.policies = policies("", R"({"workloads":"some"})");
  EXPECT_NE(refusal(plan.text()).find("policies.selectors[0].workloads"), std::string::npos);
  plan.policies = some();
  plan.policies.replace(plan.policies.find("\"last\":90"), 9, "\"last\":79");
  EXPECT_NE(refusal(plan.text()).find("policies.rules[0].ports[0].last"), std::string::npos);
  plan.policies = some();
  plan.flows.replace(plan.flows.find("\"track\":\"all\""), 13, "\"track\":\"services\"");
  EXPECT_NE(refusal(plan.text()).find("tracks no flows"), std::string::npos);
}

TEST_F(ConfigPolicies, PortsThatFlowsComeByAreThere) {
  const auto on = [](const std::string& list) {
    std::string text = policies(kRule, R"({"workloads":[]},{"workloads":[]})");
    return text.insert(text.find(R"(,"action")"), R"(,"on":)" + list);
  };
  PlanText plan;
  plan.policies = on("[0,2]");
  const auto first = build(plan);
  EXPECT_EQ(first->policies->set().policies[0].on, (std::vector<uint16_t>{0, 2}));
  plan.policies = on("[0,1]");
  EXPECT_NE(refusal(plan.text()).find("policy 'p' is about flows by no port"), std::string::npos);
  plan.policies = on("[]");
  EXPECT_NE(refusal(plan.text()).find("policies.rules[0].on"), std::string::npos);
  plan.policies = on("[256]");
  EXPECT_NE(refusal(plan.text()).find("policies.rules[0].on[0]"), std::string::npos);
  // What stays must fit the ports that stay.
  PlanText next = PlanText::after(*first);
  next.routes = "[]";
  next.ports = R"([{"id":0,"name":"a","own":["10.0.0.1/24"],"config":{"type":"memory"}}])";
  EXPECT_NE(refusal(next.text(), first.get()).find("is about flows by no port"), std::string::npos);
}

TEST_F(ConfigPolicies, VlansAreRanges) {
  const auto in = [](const std::string& list) {
    std::string text = policies(kRule, R"({"workloads":[]},{"workloads":[]})");
    return text.insert(text.find(R"(,"action")"), R"(,"vlans":)" + list);
  };
  PlanText plan;
  plan.policies = in(R"([{"first":0,"last":0},{"first":10,"last":4094}])");
  EXPECT_EQ(build(plan)->policies->set().policies[0].vlans, (std::vector<PolicyVlans>{{0, 0}, {10, 4094}}));
  for (const auto& [list, place] : {std::pair("[]", ""),
                                    {R"([{"first":4095,"last":4095}])", "[0].first"},
                                    {R"([{"first":2,"last":1}])", "[0].last"}}) {
    plan.policies = in(list);
    EXPECT_NE(refusal(plan.text()).find(std::string("policies.rules[0].vlans") + place), std::string::npos) << list;
  }
}

TEST_F(ConfigPolicies, TheNodesOwnStackIsAnyHostSide) {
  PlanText plan;
  plan.ports.insert(plan.ports.size() - 1, R"(,{"id":7,"name":"host","own":[],"config":{"type":"host"}})");
  plan.policies = policies(kRule, R"({"workloads":[]},{"workloads":[]})");
  plan.policies.insert(plan.policies.find(R"(,"action")"), R"(,"on":[2,7])");
  const auto open = [this](uint16_t, const std::string&, const std::string&) {
    OpenedPort opened(std::make_shared<test::StubPort>(PortInfo{}, open_));
    opened.host = opened.port;
    return opened;
  };
  const auto snapshot = build_snapshot(plan.text(), nullptr, open);
  EXPECT_EQ(snapshot->policies->set().policies[0].on, (std::vector<uint16_t>{2, Policy::kNodesStack}));
}

TEST_F(ConfigPolicies, WhatDoesNotFitLeavesTheOldOnesInForce) {
  PlanText plan;
  plan.policies = some();
  const auto first = build(plan);
  std::string rules;
  for (unsigned i = 1; i < 65'536; ++i) {
    rules += rules.empty() ? "" : ",";
    rules += R"({"name":"p","direction":"ingress","subject":[0],"peer":null,"ports":[{"protocol":6,"first":)";
    rules += std::to_string(i) + R"(,"last":65535}],"action":"allow"})";
  }
  PlanText next = PlanText::after(*first);
  next.policies = policies(rules, R"({"cidrs":["0.0.0.0/0"],"except":[]})");
  EXPECT_NE(refusal(next.text(), first.get(), "ERR_FLATPROXY_RESOURCE").find("do not fit"), std::string::npos);
}

}  // namespace
}  // namespace flatproxy
