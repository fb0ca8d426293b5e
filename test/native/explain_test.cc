// What is explained is what then happens.
#include "lane/explain_live.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "lane/explain_plan.h"
#include "packet/error.h"
#include "support/plan_text.h"
#include "support/reference_policies.h"
#include "support/roce.h"
#include "support/world.h"
#include "wire/protocol.h"

namespace flatproxy {
namespace {

using test::Frame;
using test::World;

constexpr uint8_t kTcp = 6, kUdp = 17;

/// As Engine::explain() asks its lanes.
Explanation ask(World& world, unsigned lanes, const FirstPacket& packet) {
  std::vector<ExplainOnLane> tasks(lanes, ExplainOnLane(world.snapshot(), world.shared(), packet));
  for (unsigned i = 0; i < lanes; ++i) tasks[i].step(world.lane(i), world.now());
  unsigned lane = tasks[0].home;
  for (unsigned i = 0; i < lanes; ++i) {
    if (tasks[i].known) lane = i;
  }
  return tasks[lane].explanation;
}

/// Small meshes out of few addresses, so that packets meet much of them.
class RandomMesh {
 public:
  explicit RandomMesh(uint32_t seed, bool always_policies = false) : random_(seed) {
    options.ports = 4;
    options.lanes = 1 + below(2);
    options.joined = below(5) == 0;
    options.node = !options.joined && below(3) == 0;
    const bool policies = below(2) == 0 || always_policies;
    const bool track = policies || below(3) != 0;
    options.flows = std::string(track ? R"("track":"all",)" : R"("track":"services",)") +
                    (below(2) == 0 ? R"("midstream":"adopt",)" : R"("midstream":"reject",)");
    write_workloads();
    write_services();
    if (policies) write_policies();
    if (below(2) == 0) write_listener();
  }

  World::Options options;
  uint32_t services = 0;

  FirstPacket packet() {
    // The same once more, at times by another port.
    if (last_.tuple.family != 0 && below(5) == 0) {
      if (below(4) == 0) last_.port = static_cast<uint16_t>(below(4));
      return last_;
    }
    // The same client from the same port, to another service.
    if (below(3) == 0 && last_.tuple.family == 4 && last_.tuple.protocol != wire::protocol::kIcmp) {
      last_.tuple.destination = *wire::Address::parse("10.9.0." + text(below(services)));
      last_.tuple.destination_port = 80;
      last_.roce.reset();
      return last_;
    }
    return last_ = new_packet();
  }
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  const std::string& other_policies() {
    write_policies();
    if (below(3) == 0) options.policies.insert(1, R"("onDeny":"keep",)");
    return options.policies;
  }

 private:
  FirstPacket new_packet() {
    FirstPacket packet;
    packet.port = static_cast<uint16_t>(below(options.node ? 5 : 4));
    const bool v6 = below(5) == 0;
    const uint8_t icmp = v6 ? wire::protocol::kIcmp6 : wire::protocol::kIcmp;
    Tuple& tuple = packet.tuple;
    tuple.protocol = one_of<uint8_t>({kTcp, kTcp, kUdp, kUdp, icmp});
    tuple.family = v6 ? 6 : 4;
    tuple.source = *wire::Address::parse(v6 ? source_v6(packet.port) : source(packet.port));
    if (packet.port == 4) packet.port = host_side(0);
    tuple.destination = *wire::Address::parse(v6 ? destination_v6() : destination());
    tuple.source_port = one_of<uint16_t>({8080, 8080, 40000, 40001, 40002, static_cast<uint16_t>(below(65536))});
    tuple.destination_port = one_of<uint16_t>({80, 80, 80, 8080, 22, 443});
    if (tuple.protocol == icmp) tuple.destination_port = tuple.source_port;
    if (tuple.protocol == kUdp && below(3) == 0) {
      tuple.destination_port = wire::kRocePort;
      packet.roce = RoceTarget{1 + below(4), static_cast<wire::RoceClass>(below(wire::kRoceClasses))};
    }
    return packet;
  }
  template <typename T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<uint32_t>(values.size()))];
  }
  std::string text(uint32_t n) { return std::to_string(n); }

  void write_workloads() {
    std::string list, routes;
    for (uint32_t id = 0, count = below(6); id < count; ++id) {
      // Joined ports have no addresses.
      const std::string port = text(options.joined ? 2 + below(2) : below(options.node ? 5 : 4));
      const std::string v4 = "10.0." + (below(4) == 0 ? "77" : port) + "." + text(10 + id);
      const std::string v6 = "fd00:0:0:" + port + "::" + text(10 + id);
      list += std::string(id == 0 ? "" : ",") + R"({"id":)" + text(id) + R"(,"name":"w","port":)" + port +
              R"(,"addresses":[")" + v4 + R"(",")" + v6 + R"("]})";
      routes += R"({"to":")" + v4 + R"(/32","port":)" + port + R"(},{"to":")" + v6 + R"(/128","port":)" + port + "},";
      workloads_.emplace_back(v4, v6);
    }
    if (below(2) == 0) routes += R"({"to":"0.0.0.0/0","port":3,"via":"10.0.3.99"},)";
    if (below(3) == 0) routes += R"({"to":"::/0","port":2,"via":"fd00:0:0:2::99"},)";
    routes += R"({"to":"192.0.2.0/24","port":2,"via":"10.0.2.98"})";
    options.workloads = "[" + list + "]";
    options.routes = "[" + routes + "]";
  }

  /// The address of one of them.
  const std::string& workload(bool v6) {
    const auto& [v4_address, v6_address] = workloads_[below(static_cast<uint32_t>(workloads_.size()))];
    return v6 ? v6_address : v4_address;
  }

  void write_services() {
    std::string list;
    uint32_t endpoint_id = 0;
    for (const uint32_t count = 1 + below(4); services < count; ++services) {
      std::string endpoints;
      const bool empty = below(6) == 0;
      for (uint32_t i = empty ? 0 : 1 + below(4); i > 0; --i) {
        const bool known = !workloads_.empty() && below(2) == 0;
        const bool v6 = below(4) == 0;
        const std::string stranger = v6 ? "fd00:0:0:1::" + text(30 + i) : "10.0." + text(below(4)) + "." + text(30 + i);
        endpoints += std::string(endpoints.empty() ? "" : ",") +
                     test::endpoint(endpoint_id++, known ? workload(v6) : stranger, 8080, below(4), below(6) == 0);
      }
      std::string service = test::service(services, "10.9.0." + text(services), endpoints);
      replace(service, R"(["10.9.0.)" + text(services) + R"("])",
              R"(["10.9.0.)" + text(services) + R"(","fd09::)" + text(services) + R"("])");
      replace(service, "maglev", one_of<std::string>({"maglev", "ringHash", "roundRobin", "leastRequest"}));
      if (below(3) == 0) replace(service, R"("affinity":"none")", R"("affinity":"source")");
      if (below(3) == 0) replace(service, R"("protocol":"tcp")", R"("protocol":"udp")");
      list += (services == 0 ? "" : ",") + service;
    }
    options.services = "[" + list + "]";
    endpoints_ = endpoint_id;
  }

  std::string limit(uint32_t counter) {
    const std::string of = one_of<std::string>({"packets", "bytes", "flows"});
    return counted(R"("limit")", counter) + R"(,"limit":{"of":")" + of +
           R"(","rate":1000000000,"interval":1000,"burst":1000000000})";
  }
  /// To a port by which packets come.
  std::string mirror(uint32_t counter) {
    return counted(R"("mirror")", counter) + R"(,"mirror":{"port":)" + text(below(4)) + R"(,"snapLength":null})";
  }
  std::string counted(const std::string& action, uint32_t counter) { return action + R"(,"counter":)" + text(counter); }

  /// A third of policies look at the port that flows come by.
  std::string arrivals() {
    if (below(3) != 0) return R"(")";
    const uint32_t ports = options.node ? 5 : 4;
    const std::string one = text(below(ports));
    return R"(","on":[)" + (below(2) == 0 ? one : one + "," + text(below(ports))) + "]";
  }
  void write_policies() {
    std::string rules;
    for (uint32_t i = below(7); i > 0; --i) {
      const std::string peer = below(3) == 0 ? "null" : "[" + text(below(5)) + "]";
      const std::string ports = one_of<std::string>(
          {"null", "null", R"([{"protocol":)" + text(one_of({6, 17, 1})) + R"(,"first":0,"last":8080}])",
           R"([{"opcodes":["send","ack","cnp"],"first":)" + text(below(3)) + R"(,"last":3}])"});
      rules += std::string(rules.empty() ? "" : ",") + R"({"name":"p","direction":")" +
               one_of<std::string>({"ingress", "egress"}) + arrivals() + R"(,"subject":[)" + text(below(5)) +
               R"(],"peer":)" + peer + R"(,"ports":)" + ports + R"(,"action":)" +
               one_of<std::string>({R"("allow")", R"("allow")", R"("deny")", R"("reject")", counted(R"("log")", i),
                                    limit(i), mirror(i)}) +
               "}";
    }
    options.policies = R"({"default":")" + one_of<std::string>({"allow", "allow", "deny"}) +
                       R"(","selectors":[{"workloads":"all"},{"cidrs":["10.0.0.0/15","fd00::/16"],"except":[]},)" +
                       R"({"cidrs":["0.0.0.0/0","::/0"],"except":["10.0.1.0/24"]},)" +
                       R"({"cidrs":["10.0.0.0/24","10.0.2.12"],"except":[]},{"cidrs":["192.0.2.0/24"],"except":[]}],)" +
                       R"("rules":[)" + rules + "]}";
  }

  void write_listener() {
    options.listeners = below(2) == 0 ? test::listener_json("10.8.0.1", 80) : test::intercept_json("192.0.2.0/24", 80);
    if (below(2) == 0) replace(options.listeners, R"("on":null)", R"("on":)" + text(below(4)));
  }

  static void replace(std::string& in, const std::string& a, const std::string& b) {
    in.replace(in.find(a), a.size(), b);
  }

  std::string source(uint32_t port) {
    if (!workloads_.empty() && below(2) == 0) return workloads_[below(static_cast<uint32_t>(workloads_.size()))].first;
    const std::string near = "10.0." + text(port) + ".";
    return one_of<std::string>({near + text(30 + below(5)), near + "2", "192.0.2.7", "10.0.1.31", "10.0.0.9",
                                "127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1"});
  }
  std::string source_v6(uint32_t port) {
    if (!workloads_.empty() && below(2) == 0) return workloads_[below(static_cast<uint32_t>(workloads_.size()))].second;
    return one_of<std::string>({"fd00:0:0:" + text(port) + "::2", "2001:db8::1", "fd00:0:0:1::31", "::1", "::"});
  }
  std::string destination() {
    if (options.listeners != "[]" && below(6) == 0) return one_of<std::string>({"10.8.0.1", "192.0.2.9"});
    if (below(2) == 0) return "10.9.0." + text(below(services));
    if (!workloads_.empty() && below(2) == 0) return workloads_[below(static_cast<uint32_t>(workloads_.size()))].first;
    return one_of<std::string>({"10.0.1.2", "10.0.2.1", "10.0.0.1", "192.0.2.9", "203.0.113.5", "10.8.0.1", "127.1.1.1",
                                "0.0.0.0", "239.1.1.1", "10.0.0.9", "192.0.2.7"});
  }
  std::string destination_v6() {
    if (below(2) == 0) return "fd09::" + text(below(services));
    if (!workloads_.empty() && below(2) == 0) return workloads_[below(static_cast<uint32_t>(workloads_.size()))].second;
    return one_of<std::string>({"fd00:0:0:1::2", "fd00:0:0:2::1", "2001:db8::9", "::1", "ff02::1"});
  }

  std::mt19937 random_;
  FirstPacket last_;
  std::vector<std::pair<std::string, std::string>> workloads_;

 public:
  uint32_t endpoints_ = 0;
};

/// An opcode of each class, in their order.
constexpr uint8_t kOpcodes[wire::kRoceClasses] = {0x04, 0x0a, 0x0c, 0x13, 0x11, 0x81, 0xff};

Frame frame_of(const FirstPacket& packet) {
  const Tuple& tuple = packet.tuple;
  if (packet.roce)
    return test::roce_frame(tuple.source.to_string(), tuple.destination.to_string(),
                            test::roce_payload(kOpcodes[static_cast<size_t>(packet.roce->kind)], packet.roce->qp, 1),
                            tuple.source_port);
  Frame frame;
  frame.from(tuple.source.to_string(), tuple.source_port).to(tuple.destination.to_string(), tuple.destination_port);
  if (tuple.protocol == kTcp) return frame.tcp("S", 100);
  if (tuple.protocol == kUdp) return frame.udp();
  return frame.from(tuple.source.to_string()).to(tuple.destination.to_string()).echo(true, tuple.source_port);
}

const ExplainStep* step_of(const Explanation& explanation, Step step) {
  for (const ExplainStep& each : explanation.steps) {
    if (each.step == step) return &each;
  }
  return nullptr;
}

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

bool is_of_us(Reason reason) {
  return reason == Reason::originated || reason == Reason::arp_answered || reason == Reason::nd_answered ||
         reason == Reason::neighbor_learned || reason == Reason::mirrored || reason == Reason::mirror_lost;
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
  unsigned roce_ = 0;   // packets of it that policies judged
  unsigned along_ = 0;  // packets of flows that run
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
  PolicyKey key = policy_key(packet.tuple, packet.tuple.destination, packet.tuple.destination_port, packet.port);
  key.roce = packet.roce;
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
  world.send(outside(packet.port), frame_of(packet), mesh.below(mesh.options.lanes));
  std::string got;
  for (const auto& [reason, count] : before) {
    if (!is_of_us(reason) && world.count(reason) != count) got += std::string(info(reason).name) + " ";
  }
  std::string steps;
  for (const ExplainStep& step : said.steps) steps.append(name(step.step)).append(" ");
  // The answer of a connection that ends here may have no way.
  if (said.reason == Reason::tcp_terminated) got.resize(std::min(got.size(), got.find(' ') + 1));
  ASSERT_EQ(got, std::string(info(said.reason).name) + " ")
      << frame_of(packet).bytes().size() << " by " << packet.port << ": " << steps
      << expected_text(world.snapshot(), packet, said);
  const Verdict verdict = info(said.reason).verdict;
  const bool leaves = verdict == Verdict::forward;
  for (unsigned port = 0; port < (mesh.options.node ? 5 : 4); ++port) {
    const auto out = world.take(port);
    if (step_of(said, Step::mirror)) continue;  // copies leave as well, by any port
    if (leaves && port == outside(said.exit)) {
      const std::string expected = expected_text(world.snapshot(), packet, said);
      ASSERT_EQ(out.size(), 1u) << expected << ": " << steps;
      // Of a flow that runs, its translation is what was found when it opened.
      if (!step_of(said, Step::flow)) {
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
  world.send(0, frame_of(packet));
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
  world.send(0, frame_of(packet));
  EXPECT_EQ(ask(world, 1, packet).reason, Reason::tcp_terminated);
  EXPECT_TRUE(step_of(ask(world, 1, packet), Step::connection));
  EXPECT_EQ(ask(world, 1, {2, packet.tuple}).reason, Reason::spoofed_source);
}

TEST(ExplainLive, AFlowThatRunsIsJudgedByThePoliciesInForce) {
  World world({});
  const FirstPacket packet = tcp(0, "10.0.0.9", "10.0.1.9", 80);
  world.send(0, frame_of(packet));
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
  world.send(0, frame_of(packet));
  EXPECT_EQ(world.count(Reason::policy_denied), 1u);
}

TEST(ExplainLive, OrNotAtAllWhereWhatRunsIsKept) {
  World world({});
  const FirstPacket packet = tcp(0, "10.0.0.9", "10.0.1.9", 80);
  world.send(0, frame_of(packet));
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
