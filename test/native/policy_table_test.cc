#include "classify/policy_table.h"

#include <gtest/gtest.h>

#include <random>

#include "packet/error.h"
#include "support/reference_policies.h"

namespace flatproxy {
namespace {

constexpr uint8_t kTcp = 6, kUdp = 17;

wire::Address at(const char* text) { return *wire::Address::parse(text); }

Selector prefixes(std::initializer_list<const char*> within, std::initializer_list<const char*> except = {}) {
  Selector selector;
  for (const char* text : within) selector.within.push_back(*wire::Prefix::parse(text));
  for (const char* text : except) selector.except.push_back(*wire::Prefix::parse(text));
  return selector;
}

Policy policy(PolicyAction action, std::vector<uint32_t> subject, std::optional<std::vector<uint32_t>> peer,
              std::vector<PolicyPorts> ports = {}, PolicyDirection direction = PolicyDirection::ingress) {
  return {"p", direction, std::move(subject), std::move(peer), std::move(ports), action};
}

Judgement judge(const PolicyTable& table, const char* from, const char* to, uint16_t port, uint8_t protocol = kTcp,
                uint16_t arrival = kNoPort) {
  return table.judge({at(from), at(to), protocol, port, arrival});
}

TEST(AddressClasses, AddressesInTheSameSelectorsAreOneClass) {
  const AddressClasses classes({prefixes({"10.0.0.0/8"}, {"10.9.0.0/16"}),
                                prefixes({"10.0.0.1", "10.0.0.2", "fd00::/8"}), prefixes({"10.9.9.0/24"})});
  EXPECT_EQ(classes.class_of(at("10.0.0.1")), classes.class_of(at("10.0.0.2")));
  EXPECT_EQ(classes.class_of(at("10.0.0.3")), classes.class_of(at("10.200.0.3")));
  EXPECT_NE(classes.class_of(at("10.0.0.1")), classes.class_of(at("10.0.0.3")));
  EXPECT_EQ(classes.class_of(at("10.9.0.1")), AddressClasses::kNone) << "an exception within what is in no other";
  EXPECT_EQ(classes.selectors_of(classes.class_of(at("10.9.9.1"))), std::vector<uint32_t>{2});
  EXPECT_EQ(classes.class_of(at("192.0.2.1")), AddressClasses::kNone);
  EXPECT_EQ(classes.selectors_of(classes.class_of(at("fd12::1"))), std::vector<uint32_t>{1});
  EXPECT_EQ(classes.class_of(at("fe80::1")), AddressClasses::kNone);
}

TEST(AddressClasses, AHoleInAWidePrefixIsNotTheWidePrefix) {
  const AddressClasses classes({prefixes({"::/0", "0.0.0.0/0"}, {"fd00::/8", "10.0.0.0/8"})});
  EXPECT_EQ(classes.class_of(at("fd00::1")), AddressClasses::kNone);
  EXPECT_EQ(classes.class_of(at("10.1.1.1")), AddressClasses::kNone);
  EXPECT_NE(classes.class_of(at("2001:db8::1")), AddressClasses::kNone);
  EXPECT_NE(classes.class_of(at("11.1.1.1")), AddressClasses::kNone);
}

TEST(AddressClasses, GroupsDoNotMultiply) {
  Selector left, right;
  for (int i = 0; i < 1000; ++i) {
    const std::string low = std::to_string(i / 250) + "." + std::to_string(i % 250);
    left.within.push_back(*wire::Prefix::parse("10.1." + low));
    right.within.push_back(*wire::Prefix::parse("10.2." + low));
  }
  EXPECT_EQ(AddressClasses({left, right}).size(), 3u) << "none, the one group, the other";
}

TEST(PolicyTable, WithoutPoliciesTheDefaultHolds) {
  EXPECT_TRUE(PolicyTable().empty());
  EXPECT_TRUE(judge(PolicyTable(), "10.0.0.1", "10.0.0.2", 80).passes());
  PolicySet deny;
  deny.deny_by_default = true;
  const Judgement judgement = judge(PolicyTable(deny), "10.0.0.1", "10.0.0.2", 80);
  EXPECT_EQ(judgement.reason, Reason::policy_default_deny);
  EXPECT_EQ(judgement.policy, Judgement::kNoPolicy);
}

TEST(PolicyTable, AllowIsolatesWhomItSelectsInItsDirection) {
  PolicySet set;
  set.selectors = {prefixes({"10.0.0.1"}), prefixes({"10.0.1.0/24"})};
  set.policies = {policy(PolicyAction::allow, {0}, {{1}}, {{kTcp, 80, 90}})};
  const PolicyTable table(set);
  EXPECT_TRUE(judge(table, "10.0.1.7", "10.0.0.1", 80).passes());
  EXPECT_TRUE(judge(table, "10.0.1.7", "10.0.0.1", 90).passes());
  for (const uint16_t port : {uint16_t{79}, uint16_t{91}}) {
    const Judgement denied = judge(table, "10.0.1.7", "10.0.0.1", port);
    EXPECT_EQ(denied.reason, Reason::policy_default_deny);
    EXPECT_EQ(denied.policy, 0u);
  }
  EXPECT_FALSE(judge(table, "10.0.1.7", "10.0.0.1", 80, kUdp).passes());
  EXPECT_FALSE(judge(table, "10.0.2.7", "10.0.0.1", 80).passes());
  EXPECT_TRUE(judge(table, "10.0.0.1", "10.0.2.7", 80).passes()) << "it may itself talk to anyone";
  EXPECT_TRUE(judge(table, "10.0.1.7", "10.0.0.2", 5).passes()) << "who is not selected is not isolated";
}

TEST(PolicyTable, DenialsStandBeforeAllThatAllows) {
  PolicySet set;
  set.selectors = {prefixes({"10.0.0.1"}), prefixes({"10.0.1.0/24"}), prefixes({"10.0.1.9"})};
  set.policies = {policy(PolicyAction::allow, {0}, {{1}}), policy(PolicyAction::reject, {0}, {{2}}),
                  policy(PolicyAction::deny, {0}, std::nullopt, {{kTcp, 22, 22}})};
  const PolicyTable table(set);
  EXPECT_TRUE(judge(table, "10.0.1.7", "10.0.0.1", 80).passes());
  EXPECT_EQ(judge(table, "10.0.1.9", "10.0.0.1", 80).reason, Reason::policy_rejected);
  EXPECT_EQ(judge(table, "10.0.1.9", "10.0.0.1", 22).policy, 1u) << "the first that denies";
  EXPECT_EQ(judge(table, "10.0.1.7", "10.0.0.1", 22).reason, Reason::policy_denied);
}

TEST(PolicyTable, BothSidesMustAgreeAndEitherSatisfiesADenyByDefault) {
  PolicySet set;
  set.deny_by_default = true;
  set.selectors = {prefixes({"10.0.0.1"}), prefixes({"10.0.0.2"})};
  set.policies = {policy(PolicyAction::allow, {0}, {{1}}, {}, PolicyDirection::egress)};
  EXPECT_TRUE(judge(PolicyTable(set), "10.0.0.1", "10.0.0.2", 80).passes());
  EXPECT_FALSE(judge(PolicyTable(set), "10.0.0.2", "10.0.0.1", 80).passes());
  set.policies.push_back(policy(PolicyAction::allow, {1}, {{1}}));
  EXPECT_EQ(judge(PolicyTable(set), "10.0.0.1", "10.0.0.2", 80).policy, 1u) << "the receiver allows itself only";
}

TEST(PolicyTable, WhatGoesOnNeitherIsolatesNorDecides) {
  PolicySet set;
  set.selectors = {prefixes({"10.0.0.1"}), prefixes({"10.0.1.0/24"})};
  set.policies = {policy(PolicyAction::log, {0}, {{1}}, {{kTcp, 80, 90}})};
  EXPECT_EQ(judge(PolicyTable(set), "10.0.2.7", "10.0.0.1", 80).policy, Judgement::kNoPolicy);
  EXPECT_TRUE(judge(PolicyTable(set), "10.0.2.7", "10.0.0.1", 80).passes());
  set.deny_by_default = true;
  EXPECT_FALSE(judge(PolicyTable(set), "10.0.1.7", "10.0.0.1", 80).passes());
}

TEST(PolicyTable, TheFirstOfThoseThatGoOnCountWhereverTheyStand) {
  PolicySet set;
  set.selectors = {prefixes({"10.0.0.1"}), prefixes({"10.0.1.0/24"})};
  set.policies = {policy(PolicyAction::deny, {0}, std::nullopt)};
  for (unsigned i = 0; i <= PolicyPlaces::kMost; ++i) {
    const bool egress = i % 2 == 0;
    set.policies.push_back(policy(PolicyAction::log, {egress ? 1u : 0u}, {{egress ? 0u : 1u}}, {},
                                  egress ? PolicyDirection::egress : PolicyDirection::ingress));
  }
  const PolicyTable table(set);
  const PolicyPlaces logs = table.duties({at("10.0.1.7"), at("10.0.0.1"), kTcp, 80}).logs;
  EXPECT_EQ(std::vector<uint32_t>(logs.begin(), logs.end()), (std::vector<uint32_t>{1, 2, 3, 4}));
  EXPECT_TRUE(table.duties({at("10.0.0.1"), at("10.0.1.7"), kTcp, 80}).empty()) << "the other way";
}

TEST(PolicyTable, ManyPortsOfManyPoliciesAreKeptApart) {
  PolicySet set;
  set.selectors = {prefixes({"10.0.0.0/16"}), prefixes({"0.0.0.0/0"})};
  for (uint16_t i = 0; i < 500; ++i) {
    const auto first = static_cast<uint16_t>(1000 + 10 * i);
    set.policies.push_back(policy(PolicyAction::allow, {0}, {{1}}, {{kTcp, first, static_cast<uint16_t>(first + 4)}}));
  }
  const PolicyTable table(set);
  for (uint16_t i = 0; i < 500; ++i) {
    const auto first = static_cast<uint16_t>(1000 + 10 * i);
    EXPECT_EQ(judge(table, "192.0.2.1", "10.0.0.1", first).policy, i);
    EXPECT_EQ(judge(table, "192.0.2.1", "10.0.0.1", static_cast<uint16_t>(first + 4)).policy, i);
    EXPECT_FALSE(judge(table, "192.0.2.1", "10.0.0.1", static_cast<uint16_t>(first + 5)).passes());
  }
}

TEST(PolicyTable, RoceIsMetByItsQueuePairsItsOpcodesAndAsUdp) {
  using enum wire::RoceClass;
  PolicySet set;
  set.selectors = {prefixes({"10.0.0.1"}), prefixes({"10.0.1.0/24"})};
  const auto bit = [](wire::RoceClass kind) { return static_cast<uint8_t>(1u << static_cast<unsigned>(kind)); };
  set.policies = {policy(PolicyAction::allow, {0}, {{1}}), policy(PolicyAction::deny, {0}, {{1}}),
                  policy(PolicyAction::reject, {0}, {{1}}, {{kUdp, 53, 53}})};
  set.policies[1].roce = {{17, 20, static_cast<uint8_t>(bit(write) | bit(atomic))}};
  const PolicyTable table(set);
  const auto reason = [&](uint32_t qp, wire::RoceClass kind) {
    return table.judge({at("10.0.1.7"), at("10.0.0.1"), kUdp, wire::kRocePort, 0, RoceTarget{qp, kind}}).reason;
  };
  for (const uint32_t qp : {17u, 20u}) {
    EXPECT_EQ(reason(qp, write), Reason::policy_denied) << qp;
    EXPECT_EQ(reason(qp, send), Reason::forwarded) << qp;
  }
  for (const uint32_t qp : {0u, 16u, 21u, 0xffffffu}) EXPECT_EQ(reason(qp, atomic), Reason::forwarded) << qp;
  EXPECT_TRUE(judge(table, "10.0.1.7", "10.0.0.1", wire::kRocePort, kUdp).passes()) << "it is no packet of RoCE";
  EXPECT_TRUE(table.speaks_of_roce());
  set.policies[2].ports = {{kUdp, 4000, 5000}};
  EXPECT_EQ(
      PolicyTable(set).judge({at("10.0.1.7"), at("10.0.0.1"), kUdp, wire::kRocePort, 0, RoceTarget{5, send}}).reason,
      Reason::policy_rejected);
}

TEST(PolicyTable, APolicyIsAboutThePortsThatFlowsComeBy) {
  PolicySet set;
  set.selectors = {prefixes({"10.0.0.1"})};
  set.policies = {policy(PolicyAction::deny, {0}, std::nullopt, {{kTcp, 22, 22}}),
                  policy(PolicyAction::log, {0}, std::nullopt)};
  set.policies[0].on = {1, Policy::kNodesStack};
  set.policies[1].on = {0};
  const PolicyTable table(set);
  EXPECT_TRUE(table.speaks_of_arrival());
  const auto by = [&](uint16_t port) { return judge(table, "10.0.1.7", "10.0.0.1", 22, kTcp, port).reason; };
  for (const uint16_t port : {uint16_t{1}, host_side(0), host_side(1), host_side(9)})
    EXPECT_EQ(by(port), Reason::policy_denied) << port;
  for (const uint16_t port : {uint16_t{0}, uint16_t{2}, uint16_t{255}}) EXPECT_EQ(by(port), Reason::forwarded) << port;
  EXPECT_TRUE(judge(table, "10.0.1.7", "10.0.0.1", 23, kTcp, 1).passes()) << "all has to fit";
  EXPECT_FALSE(table.duties({at("10.0.1.7"), at("10.0.0.1"), kTcp, 22, 0}).logs.empty());
  EXPECT_TRUE(table.duties({at("10.0.1.7"), at("10.0.0.1"), kTcp, 22, 1}).empty());
  set.policies[0].on.clear();
  set.policies[1].on.clear();
  EXPECT_FALSE(PolicyTable(set).speaks_of_arrival());
}

TEST(PolicyTable, AllowIsolatesByWhicheverPortFlowsCome) {
  PolicySet set;
  set.selectors = {prefixes({"10.0.0.1"})};
  set.policies = {policy(PolicyAction::allow, {0}, std::nullopt)};
  set.policies[0].on = {1};
  const PolicyTable table(set);
  EXPECT_TRUE(judge(table, "10.0.1.7", "10.0.0.1", 80, kTcp, 1).passes());
  const Judgement denied = judge(table, "10.0.1.7", "10.0.0.1", 80, kTcp, 2);
  EXPECT_EQ(denied.reason, Reason::policy_default_deny);
  EXPECT_EQ(denied.policy, 0u);
}

TEST(PolicyTable, OfAPortThatNobodyKnowsDenialsHoldAndAllowancesDoNot) {
  PolicySet set;
  set.selectors = {prefixes({"10.0.0.1"}), prefixes({"10.0.0.2"})};
  set.policies = {policy(PolicyAction::deny, {0}, std::nullopt), policy(PolicyAction::allow, {1}, std::nullopt)};
  for (Policy& each : set.policies) each.on = {1};
  const PolicyTable table(set);
  EXPECT_EQ(judge(table, "10.0.1.7", "10.0.0.1", 80).reason, Reason::policy_denied);
  EXPECT_EQ(judge(table, "10.0.1.7", "10.0.0.2", 80).reason, Reason::policy_default_deny);
}

TEST(PolicyTable, APolicyIsAboutTheVlansThatFlowsComeIn) {
  PolicySet set;
  set.selectors = {prefixes({"10.0.0.1"}), prefixes({"10.0.0.2"})};
  set.policies = {policy(PolicyAction::deny, {0}, std::nullopt), policy(PolicyAction::log, {0}, std::nullopt),
                  policy(PolicyAction::allow, {1}, std::nullopt)};
  set.policies[0].vlans = {{10, 12}, {4094, 4094}};
  set.policies[1].vlans = {{0, 0}};
  set.policies[2].vlans = {{0, 9}, {5, 20}};
  const PolicyTable table(set);
  EXPECT_FALSE(table.speaks_of_arrival());
  const auto key = [](const char* to, uint16_t vlan) {
    return PolicyKey{.source = at("10.0.1.7"), .destination = at(to), .protocol = kTcp, .port = 80, .vlan = vlan};
  };
  for (const int vlan : {0, 1, 9, 10, 11, 12, 13, 4093, 4094}) {
    const bool denied = (vlan >= 10 && vlan <= 12) || vlan == 4094;
    const auto id = static_cast<uint16_t>(vlan);
    EXPECT_EQ(table.judge(key("10.0.0.1", id)).reason, denied ? Reason::policy_denied : Reason::forwarded) << vlan;
    EXPECT_EQ(table.duties(key("10.0.0.1", id)).logs.empty(), vlan != 0) << vlan;
    EXPECT_EQ(table.judge(key("10.0.0.2", id)).passes(), vlan <= 20) << vlan << ": an allow isolates in every VLAN";
  }
  set.policies[0].on = {1};
  PolicyKey both = key("10.0.0.1", 10);
  for (const uint16_t port : {uint16_t{1}, uint16_t{2}}) {
    both.arrival = port;
    EXPECT_EQ(PolicyTable(set).judge(both).passes(), port == 2) << "all has to fit";
  }
}

TEST(PolicyTable, ManyGroupsOfFewTakeLittleRoom) {
  PolicySet set;
  constexpr uint32_t kMany = 30'000;
  for (uint32_t i = 0; i < kMany; ++i) {
    Selector one;
    one.within.push_back({wire::Address::from_v4(&i), 32});
    set.selectors.push_back(one);
    set.policies.push_back(policy(PolicyAction::allow, {i}, {{(i + 1) % kMany}}));
  }
  const PolicyTable table(set);
  for (uint32_t i = 0; i < kMany; i += 97) {
    const uint32_t next = (i + 1) % kMany;
    const wire::Address here = wire::Address::from_v4(&i);
    const wire::Address there = wire::Address::from_v4(&next);
    EXPECT_EQ(table.judge({there, here, kTcp, 1}).policy, i);
    EXPECT_TRUE(table.judge({there, here, kTcp, 1}).passes());
    EXPECT_FALSE(table.judge({here, there, kTcp, 1}).passes());
  }
}

TEST(PolicyTable, WhatDoesNotFitIntoMemoryIsRefused) {
  PolicySet set;
  set.selectors = {prefixes({"0.0.0.0/0"})};
  for (uint32_t i = 1; i < 65'536; ++i) {
    set.policies.push_back(policy(PolicyAction::allow, {0}, std::nullopt, {{kTcp, static_cast<uint16_t>(i), 65'535}}));
  }
  try {
    PolicyTable table(set);
    ADD_FAILURE() << "was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, "ERR_FLATPROXY_RESOURCE");
    EXPECT_FALSE(error.remedy.empty());
  }
}

/// Policies out of few addresses and ports, so that most flows meet several of them.
class RandomPolicies {
 public:
  explicit RandomPolicies(uint32_t seed) : random_(seed) {}

  PolicySet set() { return set_of(below(9) == 0 ? 60 + below(200) : below(12)); }

  PolicySet set_of(uint32_t count) {
    PolicySet set;
    set.deny_by_default = below(4) == 0;
    set.selectors.resize(1 + below(12));
    for (Selector& selector : set.selectors) {
      for (uint32_t i = below(5); i > 0; --i) selector.within.push_back(prefix());
      for (uint32_t i = below(3); i > 0; --i) selector.except.push_back(prefix());
    }
    const auto selectors = static_cast<uint32_t>(set.selectors.size());
    set.policies.resize(count);
    for (Policy& each : set.policies) {
      each.direction = below(2) == 0 ? PolicyDirection::ingress : PolicyDirection::egress;
      each.action = one_of({PolicyAction::allow, PolicyAction::allow, PolicyAction::deny, PolicyAction::reject,
                            PolicyAction::log, PolicyAction::mirror, PolicyAction::limit});
      for (uint32_t i = 1 + below(3); i > 0; --i) each.subject.push_back(below(selectors));
      if (below(4) != 0) each.peer.emplace();
      for (uint32_t i = each.peer ? below(3) : 0; i > 0; --i) each.peer->push_back(below(selectors));
      for (uint32_t i = below(3); i > 0; --i) each.ports.push_back(ports());
      if (below(3) == 0) each.roce.push_back(queue_pairs());
      if (below(9) == 0) each.roce.push_back(queue_pairs());
      for (uint32_t i = below(3) == 0 ? 1 + below(3) : 0; i > 0; --i) each.vlans.push_back(vlans());
      if (below(3) != 0) continue;
      for (uint32_t i = 1 + below(3); i > 0; --i) each.on.push_back(one_of<uint16_t>({0, 1, 2, 255, host_side(0)}));
    }
    return set;
  }

  PolicyKey key() {
    PolicyKey key = key_of_port();
    key.vlan = one_of<uint16_t>({0, 0, 1, 9, 10, 11, 20, 4093, 4094});
    return key;
  }

  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }

 private:
  PolicyKey key_of_port() {
    if (below(4) == 0) {
      const auto qp = one_of<uint32_t>({0, 1, 16, 17, 18, 1000, 0xfffffe, 0xffffff});
      return {address(),       address(), kUdp,
              wire::kRocePort, arrival(), RoceTarget{qp, static_cast<wire::RoceClass>(below(wire::kRoceClasses))}};
    }
    const uint8_t protocol = one_of<uint8_t>({kTcp, kTcp, kTcp, kUdp, 1, 47});
    return {address(), address(), protocol, one_of<uint16_t>({0, 1, 79, 80, 81, 89, 90, 91, 8080, 65535}), arrival()};
  }
  template <typename T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<uint32_t>(values.size()))];
  }
  wire::Address address() {
    const bool v4 = below(4) != 0;
    std::string text = v4 ? "10." : "fd00::";
    if (v4) text += std::to_string(below(2)) + "." + std::to_string(below(2)) + ".";
    return at((text + std::to_string(below(4))).c_str());
  }
  wire::Prefix prefix() {
    const wire::Address a = address();
    const auto length = a.is_v4() ? one_of<uint8_t>({0, 8, 15, 16, 23, 24, 30, 31, 32, 32, 32})
                                  : one_of<uint8_t>({0, 8, 64, 126, 127, 128, 128});
    return {a, length};  // bits behind the length are not zero
  }
  /// Ports that policies name or not, host sides of some, and nobody knows.
  uint16_t arrival() {
    return one_of<uint16_t>({0, 0, 1, 1, 2, 3, 255, host_side(0), host_side(1), host_side(255), kNoPort});
  }
  PolicyVlans vlans() {
    const auto first = one_of<uint16_t>({0, 0, 1, 10, 20, 4094});
    return {first, one_of<uint16_t>({first, std::max<uint16_t>(first, 10), 4094})};
  }
  PolicyRoce queue_pairs() {
    const auto first = one_of<uint32_t>({0, 1, 16, 17, 1000, 0xffffff});
    const auto last = one_of<uint32_t>({first, std::max(first, 17u), 0xffffff});
    return {first, last, below(2) == 0 ? PolicyRoce::kAllClasses : static_cast<uint8_t>(1 + below(127))};
  }
  PolicyPorts ports() {
    if (below(6) == 0) return {kUdp, wire::kRocePort, one_of<uint16_t>({wire::kRocePort, 65535})};
    const uint8_t protocol = one_of<uint8_t>({kTcp, kTcp, kUdp, 1});
    const auto first = one_of<uint16_t>({0, 1, 80, 80, 81, 90});
    return {protocol, first, one_of<uint16_t>({first, 90, 90, 65535})};
  }
  std::mt19937 random_;
};

/// Sanitizers look for other errors than these, and take their time.
#ifdef FLATPROXY_SANITIZED
constexpr uint32_t kSeeds = 250, kLargeSeeds = 1;
#else
constexpr uint32_t kSeeds = 2500, kLargeSeeds = 8;
#endif

TEST(PolicyTable, AgreesWithTheReferenceOnRandomPoliciesAndFlows) {
  unsigned passed = 0;
  unsigned busy = 0;
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    RandomPolicies random(seed);
    const PolicySet set = random.set();
    const PolicyTable table(set);
    for (int i = 0; i < 500; ++i) {
      const PolicyKey key = random.key();
      const Judgement expected = test::judge_plainly(set, key);
      const Judgement found = table.judge(key);
      ASSERT_EQ(found.reason, expected.reason) << "seed " << seed << ", flow " << i;
      ASSERT_EQ(found.policy, expected.policy) << "seed " << seed << ", flow " << i;
      const PolicyDuties duties = table.duties(key);
      ASSERT_EQ(duties, test::duties_plainly(set, key)) << "seed " << seed << ", flow " << i;
      passed += found.passes();
      busy += !duties.empty();
    }
  }
  EXPECT_GT(busy, 40 * kSeeds);
  EXPECT_GT(passed, 80 * kSeeds);
  EXPECT_LT(passed, 400 * kSeeds);
}

// Beyond 4,096 policies a row's summary is of several words.
TEST(PolicyTable, AgreesWithTheReferenceAboutThousandsOfPolicies) {
  for (uint32_t seed = 0; seed < kLargeSeeds; ++seed) {
    RandomPolicies random(seed);
    PolicySet set = random.set_of(12'000);
    // Few fit, and those stand anywhere.
    for (Policy& each : set.policies) {
      if (each.peer) each.peer->resize(std::min<size_t>(each.peer->size(), 1));
      if (random.below(400) != 0) each.ports = {{132, 1, 2}};
    }
    const PolicyTable table(set);
    for (int i = 0; i < 300; ++i) {
      const PolicyKey key = random.key();
      const Judgement expected = test::judge_plainly(set, key);
      ASSERT_EQ(table.judge(key).reason, expected.reason) << "seed " << seed << ", flow " << i;
      ASSERT_EQ(table.judge(key).policy, expected.policy) << "seed " << seed << ", flow " << i;
      ASSERT_EQ(table.duties(key), test::duties_plainly(set, key)) << "seed " << seed << ", flow " << i;
    }
  }
}

}  // namespace
}  // namespace flatproxy
