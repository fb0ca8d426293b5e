// What is explained is what then happens.
#include "lane/explain_live.h"

#include <gtest/gtest.h>

#include <map>

#include "lane/explain_plan.h"
#include "packet/error.h"
#include "support/ask.h"
#include "support/plan_text.h"
#include "support/random_mesh.h"
#include "support/reference_policies.h"
#include "support/world.h"
#include "wire/protocol.h"

namespace flatproxy {
namespace {

using test::ask;
using test::Frame;
using test::frame_of;
using test::kTcp;
using test::kUdp;
using test::RandomMesh;
using test::step_of;
using test::World;

/// How the packet is when it leaves, as describe() begins.
std::string expected_text(const Snapshot& snapshot, const FirstPacket& packet, const Explanation& said) {
  Tuple out = packet.tuple;
  if (said.endpoint != Explanation::kNone) {
    const Service& service = *snapshot.services[said.service];
    const bool reply = step_of(said, Step::reply) != nullptr;
    if (reply) {
      const auto same_family = [&](const wire::Address& a) { return a.is_v4() == (out.family == 4); };
      out.source = *std::find_if(service.addresses.begin(), service.addresses.end(), same_family);
      out.source_port = service.port;
    }
    for (const Endpoint& endpoint : service.endpoints) {
      if (reply || endpoint.id != said.endpoint) continue;
      out.destination = endpoint.address;
      out.destination_port = endpoint.port;
    }
    if (const ExplainStep* moved = step_of(said, Step::source_port)) out.source_port = static_cast<uint16_t>(moved->id);
  }
  if (out.protocol != kTcp && out.protocol != kUdp) return out.source.to_string() + ">" + out.destination.to_string();
  return out.source.to_string() + ":" + std::to_string(out.source_port) + ">" + out.destination.to_string() + ":" +
         std::to_string(out.destination_port) + (out.protocol == kTcp ? " tcp" : " udp");
}

class ExplainProperty : public testing::Test {
 protected:
  void compare(uint32_t seed);
  void compare_one(World& world, RandomMesh& mesh);
  void compare_duties(const PolicySet& set, const PolicyKey& key, const Explanation& said);
  void judge_plainly_too(const World& world, const FirstPacket& packet, const Explanation& said);

  std::map<std::string, unsigned> seen_;  // packets by reason
  unsigned compared_ = 0;
  unsigned moved_ = 0;
  unsigned judged_ = 0;
  unsigned roce_ = 0;                        // packets of it that policies judged
  unsigned along_ = 0;                       // packets of flows that run
  std::map<std::string, unsigned> misfits_;  // what of policies that isolate does not match
  unsigned tagged_ = 0;                      // packets of VLANs that passed
  unsigned logged_ = 0;
  unsigned limited_ = 0;
  unsigned mirrored_ = 0;
};

void ExplainProperty::compare_duties(const PolicySet& set, const PolicyKey& key, const Explanation& said) {
  PolicyDuties told;
  for (const ExplainStep& step : said.steps) {
    if (step.step == Step::log) told.logs.push(step.id);
    if (step.step == Step::limit) told.limits.push(step.id);
    if (step.step == Step::mirror) told.mirrors.push(step.id);
  }
  PolicyDuties expected = test::duties_plainly(set, key);
  const bool passes = info(said.reason).verdict == Verdict::forward;
  // Of one that ends here only some are.
  if (!passes) told.limits = told.mirrors = expected.limits = expected.mirrors = {};
  EXPECT_EQ(told, expected);
  logged_ += !told.logs.empty();
  limited_ += !told.limits.empty();
  mirrored_ += !told.mirrors.empty();
}

void ExplainProperty::judge_plainly_too(const World& world, const FirstPacket& packet, const Explanation& said) {
  const bool judged = step_of(said, Step::egress_none) || step_of(said, Step::egress_allowed) ||
                      step_of(said, Step::egress_denied) || step_of(said, Step::egress_rejected) ||
                      step_of(said, Step::egress_isolated);
  if (!judged || step_of(said, Step::reply) || step_of(said, Step::flow)) return;
  if (test::end_of(said) == Reason::tcp_terminated) return;  // judged at two places
  PolicyKey key = policy_key(packet.tuple, packet.tuple.destination, packet.tuple.destination_port, packet.port);
  key.roce = packet.roce;
  key.vlan = packet.vlan;
  if (said.endpoint != Explanation::kNone) {
    for (const Endpoint& endpoint : world.snapshot().services[said.service]->endpoints) {
      if (endpoint.id != said.endpoint) continue;
      key.destination = endpoint.address;
      key.port = endpoint.port;
    }
  }
  ++judged_;
  const Judgement expected = test::judge_plainly(world.snapshot().policies->set(), key);
  EXPECT_EQ(said.policy, expected.policy);
  if (!expected.passes()) {
    EXPECT_EQ(said.reason, expected.reason);
  }
  for (const Step isolated : {Step::egress_isolated, Step::ingress_isolated}) {
    if (const ExplainStep* step = step_of(said, isolated)) ++misfits_[step->at];
  }
  compare_duties(world.snapshot().policies->set(), key, said);
}

void ExplainProperty::compare_one(World& world, RandomMesh& mesh) {
  const FirstPacket packet = mesh.packet();
  const Explanation said = ask(world, mesh.options.lanes, packet);
  const Explanation again = ask(world, mesh.options.lanes, packet);
  ASSERT_EQ(said.endpoint, again.endpoint) << "asking changes nothing";
  // What a connection that runs takes of another SYN is TCP's to say, not the way's.
  if (packet.tuple.protocol == kTcp && (step_of(said, Step::flow) || step_of(said, Step::connection))) return;
  std::map<Reason, uint64_t> before;
  for (size_t i = 0; i < kReasons; ++i) before[static_cast<Reason>(i)] = world.count(static_cast<Reason>(i));
  const auto outside = [](uint16_t port) { return port == host_side(0) ? 4u : port; };
  world.send(outside(packet.port), test::frame_of(packet), mesh.below(mesh.options.lanes), packet.vlan);
  std::string got;
  for (const auto& [reason, count] : before) {
    if (!test::is_of_us(reason) && world.count(reason) != count) got += std::string(info(reason).name) + " ";
  }
  std::string steps;
  for (const ExplainStep& step : said.steps) steps.append(name(step.step)).append(" ");
  // The answer of a connection that ends here may have no way.
  const Reason ended = test::end_of(said);
  if (ended == Reason::tcp_terminated) got.resize(std::min(got.size(), got.find(' ') + 1));
  ASSERT_EQ(got, std::string(info(ended).name) + " ") << test::frame_of(packet).bytes().size() << " by " << packet.port
                                                      << ": " << steps << expected_text(world.snapshot(), packet, said);
  const Verdict verdict = info(ended).verdict;
  const bool leaves = verdict == Verdict::forward;
  for (unsigned port = 0; port < (mesh.options.node ? 5 : 4); ++port) {
    const auto out = world.take(port);
    if (step_of(said, Step::mirror)) continue;  // copies leave as well, by any port
    if (leaves && port == outside(said.exit)) {
      const std::string expected = expected_text(world.snapshot(), packet, said);
      ASSERT_EQ(out.size(), 1u) << expected << ": " << steps;
      // Of a flow that runs, its translation is what was found when it opened.
      if (!step_of(said, Step::flow) && packet.vlan == 0) {
        ASSERT_EQ(out[0].substr(0, expected.size()), expected) << steps;
      }
    } else if (verdict != Verdict::terminate && (leaves || port != outside(packet.port))) {
      ASSERT_EQ(out.size(), 0u) << steps;
    }
  }
  judge_plainly_too(world, packet, said);
  ++seen_[got];
  ++compared_;
  along_ += step_of(said, Step::flow) != nullptr;
  tagged_ += packet.vlan != 0 && ended == Reason::passed_on;
  roce_ += packet.roce && step_of(said, Step::egress_none);
  moved_ += step_of(said, Step::source_port) != nullptr;
}

void ExplainProperty::compare(uint32_t seed) {
  RandomMesh mesh(seed);
  World world(mesh.options);
  for (uint32_t id = 0; id < mesh.endpoints_; ++id) world.shared().health.set(id, mesh.below(4) != 0);
  for (int i = 0; i < 100 && !HasFatalFailure(); ++i) {
    if (i == 50 && mesh.options.policies != "") world.apply_policies(mesh.other_policies());
    if (i == 80) world.shared().refuse_new = mesh.below(3) == 0;
    compare_one(world, mesh);
  }
}

TEST_F(ExplainProperty, WhatIsSaidIsWhatHappens) {
  for (uint32_t seed = 0; seed < 700 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    compare(seed);
  }
  EXPECT_GT(compared_, 20'000u);
  EXPECT_GT(moved_, 0u);
  EXPECT_GT(roce_, 100u);
  EXPECT_GT(along_, 300u);
  EXPECT_GT(tagged_, 100u);
  EXPECT_GT(logged_, 100u);
  EXPECT_GT(limited_, 40u);
  EXPECT_GT(mirrored_, 40u);
  for (const char* reason :
       {"forwarded", "passed_on", "service_forwarded", "echo_answered", "source_invalid", "destination_invalid",
        "multicast_ignored", "tcp_terminated", "no_route", "no_service", "no_endpoint", "draining", "port_unreachable",
        "policy_denied", "policy_rejected", "policy_default_deny", "spoofed_source"})
    EXPECT_GT(seen_[std::string(reason) + " "], 20u) << reason;
}

/// Asked alone, nothing carried: a million pairs of meshes and packets, of which so many come to be judged.
TEST_F(ExplainProperty, WhatIsSaidIsWhatPoliciesPlainlySay) {
#ifdef FLATPROXY_SANITIZED
  constexpr unsigned kSeeds = 100, kPackets = 1050;
#else
  constexpr unsigned kSeeds = 1000, kPackets = 1050;
#endif
  for (uint32_t seed = 0; seed < kSeeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomMesh mesh(seed, true);
    World world(mesh.options);
    for (unsigned i = 0; i < kPackets && !HasFailure(); ++i) {
      const FirstPacket packet = mesh.packet();
      judge_plainly_too(world, packet, explain(world.snapshot(), packet, LaneView{world.lane(0).flows().balance()}));
    }
  }
  EXPECT_GT(judged_, 100 * kSeeds);
  for (const char* field : {"from", "to", "ports", "on", "vlan"}) EXPECT_GT(misfits_[field], kSeeds / 10) << field;
  EXPECT_EQ(misfits_.size(), 5u) << "one of them is told";
}

FirstPacket tcp(uint16_t port, const char* from, const char* to, uint16_t to_port) {
  return {port, {*wire::Address::parse(from), *wire::Address::parse(to), 40000, to_port, kTcp, 4}};
}

TEST(ExplainLive, AConnectionThatEndsHereIsKnownAsOne) {
  World::Options options;
  options.listeners = test::intercept_json("10.0.1.0/24", 80);
  World world(options);
  const FirstPacket packet = tcp(0, "10.0.0.9", "10.0.1.9", 80);
  EXPECT_TRUE(step_of(ask(world, 1, packet), Step::listener));
  world.send(0, test::frame_of(packet));
  world.apply("[]");
  const Explanation said = ask(world, 1, packet);
  EXPECT_EQ(said.reason, Reason::tcp_terminated);
  EXPECT_TRUE(step_of(said, Step::connection)) << "the listener is gone";
}

TEST(ExplainLive, WhatSpeaksForAConnectionInAnothersNameIsSpoofed) {
  World::Options options;
  options.ports = 3;
  options.listeners = test::intercept_json("10.8.8.0/24", 80);
  options.workloads = R"([{"id":0,"name":"w","port":0,"addresses":["10.0.0.9"]}])";
  World world(options);
  const FirstPacket packet = tcp(0, "10.0.0.9", "10.8.8.8", 80);
  world.send(0, test::frame_of(packet));
  EXPECT_EQ(ask(world, 1, packet).reason, Reason::tcp_terminated);
  EXPECT_TRUE(step_of(ask(world, 1, packet), Step::connection));
  EXPECT_EQ(ask(world, 1, {2, packet.tuple}).reason, Reason::spoofed_source);
}

TEST(ExplainLive, AFlowThatRunsIsJudgedByThePoliciesInForce) {
  World world({});
  const FirstPacket packet = tcp(0, "10.0.0.9", "10.0.1.9", 80);
  world.send(0, test::frame_of(packet));
  EXPECT_EQ(ask(world, 1, packet).exit, 1u);
  EXPECT_EQ(ask(world, 1, {1, packet.tuple.reversed()}).exit, 0u) << "and its answers";
  world.apply_policies(
      R"({"default":"allow","selectors":[{"cidrs":["10.0.1.9"],"except":[]}],"rules":[{"name":"p","direction":"ingress",)"
      R"("subject":[0],"peer":null,"ports":null,"action":"deny"}]})");
  for (const FirstPacket& either : {packet, FirstPacket{1, packet.tuple.reversed()}}) {
    const Explanation said = ask(world, 1, either);
    EXPECT_TRUE(step_of(said, Step::flow));
    EXPECT_EQ(said.reason, Reason::policy_denied);
    EXPECT_EQ(said.policy, 0u);
  }
  world.send(0, test::frame_of(packet));
  EXPECT_EQ(world.count(Reason::policy_denied), 1u);
}

TEST(ExplainLive, OrNotAtAllWhereWhatRunsIsKept) {
  World world({});
  const FirstPacket packet = tcp(0, "10.0.0.9", "10.0.1.9", 80);
  world.send(0, test::frame_of(packet));
  world.apply_policies(R"({"default":"deny","onDeny":"keep","selectors":[],"rules":[]})");
  EXPECT_EQ(ask(world, 1, packet).reason, Reason::forwarded);
  EXPECT_EQ(ask(world, 1, tcp(0, "10.0.0.9", "10.0.1.9", 81)).reason, Reason::policy_default_deny);
}

/// A policy that denies what comes by a port to 10.0.1.9, of an action's ports.
std::string denial_by(unsigned port, const std::string& ports = "null") {
  return R"({"default":"allow","selectors":[{"cidrs":["10.0.1.9"],"except":[]}],"rules":[{"name":"p","direction":"ingress",)"
         R"("subject":[0],"peer":null,"ports":)" +
         ports + R"(,"on":[)" + std::to_string(port) + R"(],"action":"deny"}]})";
}

TEST(ExplainLive, AFlowThatRunsIsJudgedByThePortThatItsClientIsBehind) {
  const auto client_behind = [](const std::string& port) {
    return R"([{"id":0,"name":"client","port":)" + port + R"(,"addresses":["10.0.0.9"]}])";
  };
  World::Options options;
  options.ports = 3;
  options.workloads = client_behind("2");
  options.policies = denial_by(0);
  World world(options);
  const FirstPacket packet = tcp(2, "10.0.0.9", "10.0.1.9", 80);
  world.send(2, frame_of(packet));
  EXPECT_EQ(ask(world, 1, packet).reason, Reason::forwarded);
  world.apply_workloads(client_behind("0"));
  EXPECT_EQ(ask(world, 1, {0, packet.tuple}).reason, Reason::policy_denied);
  EXPECT_EQ(ask(world, 1, {1, packet.tuple.reversed()}).reason, Reason::policy_denied);
  world.send(1, Frame().from("10.0.1.9", 80).to("10.0.0.9", 40000).tcp("SA", 500, 101));
  EXPECT_EQ(world.count(Reason::policy_denied), 1u);
}

TEST(ExplainLive, OfRoceAlsoAClassThatHasNotPassedYet) {
  World::Options options;
  options.ports = 3;
  options.policies = denial_by(0, R"([{"opcodes":["write"],"first":0,"last":9}])");
  for (const bool keeps : {false, true}) {
    if (keeps) options.policies.insert(1, R"("onDeny":"keep",)");
    World world(options);
    FirstPacket packet{0, {*wire::Address::parse("10.0.0.9"), *wire::Address::parse("10.0.1.9"), 1, 4791, kUdp, 4}};
    packet.roce = RoceTarget{5, wire::RoceClass::send};
    world.send(0, frame_of(packet));
    packet.roce->kind = wire::RoceClass::write;
    packet.port = 2;
    EXPECT_EQ(ask(world, 1, packet).reason, Reason::policy_denied) << "the flow came by another port";
    world.send(2, frame_of(packet));
    EXPECT_EQ(world.count(Reason::policy_denied), 1u);
  }
}

TEST(ExplainPlan, OpensNoPort) {
  test::PlanText plan;
  plan.ports = R"([{"id":0,"name":"a","own":null,"config":{"type":"iface","interface":"none0",)"
               R"("take":"all","onExit":"release","watchdog":200,"delivery":"peer"}},)"
               R"({"id":2,"name":"b","own":["10.0.1.1/24"],"config":{"type":"tap","name":"tapx"}}])";
  plan.workloads = "[]";
  plan.set = test::service(0, "10.9.9.9", test::endpoint(7, "10.0.1.20"));
  const Explanation said = explain_plan(plan.text(), tcp(0, "192.0.2.1", "10.9.9.9", 80));
  EXPECT_EQ(said.reason, Reason::service_forwarded);
  EXPECT_EQ(said.endpoint, 7u);
  EXPECT_EQ(said.exit, 2u);
  EXPECT_EQ(explain_plan(plan.text(), tcp(0, "192.0.2.1", "10.0.1.1", 80)).exit, host_side(0)) << "the node's";
  EXPECT_EQ(explain_plan(plan.text(), tcp(kNoPort, "192.0.2.1", "10.9.9.9", 80)).endpoint, 7u) << "from the node";
  EXPECT_THROW(explain_plan(plan.text(), tcp(1, "192.0.2.1", "10.9.9.9", 80)), Error);
}

}  // namespace
}  // namespace flatproxy
