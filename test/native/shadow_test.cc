// What a mesh that is not in force would do to live flows: what it says is what that mesh then does.
#include "lane/shadow.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "support/listener_world.h"
#include "support/plan_text.h"
#include "support/roce.h"
#include "support/world.h"

namespace flatproxy {
namespace {

using test::Frame;
using test::World;
using Differences = std::vector<Shadow::Difference>;

/// The snapshot of a world, which outlives it.
std::shared_ptr<const Snapshot> borrow(const World& world) { return {std::shared_ptr<void>(), &world.snapshot()}; }

uint32_t clock_of(const World& world) { return FlowStage::milliseconds(world.now()); }

/// As the engine lists them, tracked flows alone.
std::vector<FlowRecord> tracked(World& world) {
  std::vector<FlowRecord> records;
  FlowStage& flows = world.lane(0).flows();
  const FlowTable& table = flows.conntrack().table();
  for (FlowId id = 0; id < table.id_limit(); ++id) {
    if (table.in_use(id)) records.push_back(flows.record(id));
  }
  const RoceStage& roce = world.lane(0).roce();
  for (FlowId id = 0; id < roce.table().id_limit(); ++id) {
    if (roce.table().in_use(id)) records.push_back(roce.record(id));
  }
  return records;
}

std::vector<FlowRecord> relayed(World& world) {
  std::vector<FlowRecord> records;
  FlowRecord record;
  const TcpStage& tcp = world.lane(0).tcp();
  for (uint32_t i = 0; i < tcp.record_limit(); ++i) {
    if (tcp.record(i, record)) records.push_back(record);
  }
  return records;
}

std::vector<FlowEvent> told(World& world) {
  std::vector<FlowEvent> events;
  FlowEvent event;
  while (world.lane(0).flows().events().pop(event)) events.push_back(event);
  return events;
}

/// Selectors 0: behind port 1, 1: of port 0 some, 2: of port 0 others, 3: anybody.
std::string policies(const std::string& rules, const std::string& otherwise = "allow") {
  return R"({"default":")" + otherwise +
         R"(","selectors":[{"cidrs":["10.0.1.0/24"],"except":[]},{"cidrs":["10.0.0.0/25"],"except":["10.0.0.7"]},)"
         R"({"cidrs":["10.0.0.128/25"],"except":[]},{"cidrs":["0.0.0.0/0"],"except":[]}],"rules":[)" +
         rules + "]}";
}

std::string rule(const std::string& action, const std::string& subject, const std::string& peer,
                 const std::string& ports = "null", const std::string& direction = "ingress") {
  return R"({"name":"p","direction":")" + direction + R"(","subject":[)" + subject + R"(],"peer":)" + peer +
         R"(,"ports":)" + ports + R"(,"action":")" + action + R"("})";
}

/// A mesh's policies and services, at random: beside each other two differ in some flows.
class RandomMeshes {
 public:
  explicit RandomMeshes(uint32_t seed) : random_(seed) {}

  World::Options mesh() {
    World::Options options;
    options.ports = 3;
    std::string rules;
    for (uint32_t i = 1 + below(3); i > 0; --i) {
      const std::string ports = one_of({"null", "null", R"([{"protocol":17,"first":0,"last":8080}])",
                                        R"([{"opcodes":["send","ack"],"first":0,"last":2}])"});
      std::string drawn = rule(one_of({"allow", "deny", "reject"}), text(below(4)),
                               one_of({"null", "[1]", "[2]", "[3]"}), ports, one_of({"ingress", "egress"}));
      if (below(3) == 0) drawn.insert(drawn.find(R"(,"action")"), one_of({R"(,"on":[0])", R"(,"on":[1,2])"}));
      rules += (rules.empty() ? "" : ",") + drawn;
    }
    options.policies = policies(rules, one_of({"allow", "allow", "deny"}));
    if (below(3) == 0) options.routes = R"([{"to":"192.0.2.0/24","port":2,"via":"10.0.2.99"}])";
    const std::string all = test::endpoint(0, "10.0.1.30", 8080) + "," + test::endpoint(1, "10.0.2.30", 8080);
    options.services = "[" + test::service(0, "10.9.0.0", below(2) == 0 ? all : test::endpoint(0, "10.0.1.30", 8080));
    if (below(2) == 0) options.services += "," + test::service(1, "10.9.0.1", test::endpoint(2, "10.0.1.31", 8080));
    options.services += "]";
    return options;
  }
  /// The first packet of a flow that is no other's.
  Frame packet(bool tcp) {
    const std::string from = "10.0.0." + one_of({"5", "7", "200"});
    const std::string to = one_of({"10.9.0.0", "10.9.0.1", "10.0.1.30", "192.0.2.9", "10.0.1.77"});
    const auto port = static_cast<uint16_t>(20000 + ++flows_);
    if (!tcp && below(3) == 0) {
      const uint8_t opcode = below(2) == 0 ? test::roce_opcode::kSendOnly : test::roce_opcode::kCnp;
      return test::roce_frame(from, "10.0.1.77", test::roce_payload(opcode, flows_, 1), port);
    }
    Frame frame = Frame().from(from, port).to(to, 80);
    return tcp ? frame.tcp("S", 100) : frame.udp();
  }

 private:
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  std::string one_of(std::initializer_list<const char*> of) {
    return of.begin()[below(static_cast<uint32_t>(of.size()))];
  }
  std::string text(uint32_t n) { return std::to_string(n); }

  std::mt19937 random_;
  uint32_t flows_ = 0;
};

/// What a world does with a frame.
Reason fate(World& world, const Frame& frame) {
  std::vector<uint64_t> before(kReasons);
  for (size_t i = 0; i < kReasons; ++i) before[i] = world.count(static_cast<Reason>(i));
  world.send(0, frame);
  for (size_t i = 0; i < kReasons; ++i) {
    const auto reason = static_cast<Reason>(i);
    const bool of_us =
        reason == Reason::originated || reason == Reason::arp_answered || reason == Reason::neighbor_learned;
    if (!of_us && world.count(reason) != before[i]) return reason;
  }
  return Reason::count;
}

struct Seen {
  unsigned opened = 0, refused = 0, differ = 0, agree = 0, cut = 0;
};

/// A flow that opens under one mesh fares under another one as the shadow says.
void compare_new(World& now, World& then, RandomMeshes& random, Seen& seen) {
  Shadow shadow(now.shared().health, borrow(then), clock_of(now) - 1);
  for (int i = 0; i < 40; ++i) {
    const Frame packet = random.packet(i % 2 == 0);
    const Reason got = fate(now, packet), other = fate(then, packet);
    const std::vector<FlowEvent> events = told(now);
    if (events.empty()) continue;  // it has ended before it was judged: no service, no route
    ASSERT_EQ(events.size(), 1u);
    ++(events[0].kind == FlowEventKind::opened ? seen.opened : seen.refused);
    const Differences found = shadow.judge_told(now.snapshot(), events);
    if (found.empty()) {
      ASSERT_EQ(info(got).name, info(other).name) << i;
      ++seen.agree;
      continue;
    }
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(info(found[0].now.reason).name, info(got).name) << i;
    EXPECT_EQ(info(found[0].then.reason).name, info(other).name) << i;
    ++seen.differ;
  }
}

/// Flows that run fare as the shadow says when its policies come in force.
void compare_running(World& world, const World::Options& other, RandomMeshes& random, Seen& seen) {
  std::vector<Frame> packets;
  for (int i = 0; i < 40; ++i) packets.push_back(random.packet(false));
  for (const Frame& packet : packets) world.send(0, packet);
  world.run();
  std::vector<FlowRecord> flows = tracked(world);
  World judge(other);
  auto snapshot = std::make_shared<Snapshot>(world.snapshot());
  snapshot->policies = judge.snapshot().policies;
  Shadow shadow(world.shared().health, snapshot, clock_of(world));
  const Differences found = shadow.judge_listed(world.snapshot(), flows);
  EXPECT_EQ(shadow.judged(), flows.size());
  world.apply_policies(other.policies);
  for (const Frame& packet : packets) world.send(0, packet);
  std::vector<FlowRecord> left = tracked(world);
  for (uint32_t i = 0; i < flows.size(); ++i) {
    const auto same = [&](const FlowRecord& each) {
      return each.original == flows[i].original && each.qp == flows[i].qp;
    };
    const bool goes_on = std::any_of(left.begin(), left.end(), same);
    const auto said = std::find_if(found.begin(), found.end(), [&](const auto& each) { return each.flow == i; });
    const bool ends = said != found.end() && info(said->then.reason).verdict != Verdict::forward;
    EXPECT_NE(goes_on, ends) << i;
    seen.cut += ends;
  }
}

TEST(Shadow, WhatItSaysOfFlowsIsWhatTheOtherMeshDoes) {
  Seen seen;
  for (uint32_t seed = 0; seed < 150 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomMeshes random(seed);
    const World::Options mesh = random.mesh(), other = random.mesh();
    World now(mesh), then(other);
    now.shared().want_events = true;
    compare_new(now, then, random, seen);
    World running(mesh);
    compare_running(running, other, random, seen);
  }
  EXPECT_GT(seen.opened, 1000u);
  EXPECT_GT(seen.refused, 1000u);
  EXPECT_GT(seen.differ, 500u);
  EXPECT_GT(seen.agree, 1000u);
  EXPECT_GT(seen.cut, 100u);
}

TEST(Shadow, AFlowIsJudgedOnceByTheTablesOrByItsEvent) {
  World world({});
  world.shared().want_events = true;
  Shadow shadow(world.shared().health, borrow(world), clock_of(world));
  world.send(0, Frame().from("10.0.0.5", 1).to("10.0.1.30", 80).udp());
  world.run(10'000'000);
  world.send(0, Frame().from("10.0.0.5", 2).to("10.0.1.30", 80).udp());
  EXPECT_TRUE(shadow.judge_listed(world.snapshot(), tracked(world)).empty());
  EXPECT_EQ(shadow.judged(), 1u) << "that which is older";
  EXPECT_TRUE(shadow.judge_told(world.snapshot(), told(world)).empty());
  EXPECT_EQ(shadow.judged(), 2u) << "and the other";
}

TEST(Shadow, WhereOneEndpointIsAsGoodAsAnotherAFlowKeepsItsOwn) {
  const std::string both = test::endpoint(0, "10.0.1.30", 8080) + "," + test::endpoint(1, "10.0.2.30", 8080);
  World::Options options;
  options.ports = 3;
  options.services = "[" + test::service(0, "10.9.0.0", both) + "]";
  options.services.replace(options.services.find("maglev"), 6, "roundRobin");
  World world(options);
  world.shared().want_events = true;
  Shadow shadow(world.shared().health, borrow(world), clock_of(world) - 1);
  for (uint16_t port = 1; port <= 8; ++port)
    world.send(0, Frame().from("10.0.0.5", port).to("10.9.0.0", 80).tcp("S", 1));
  const std::vector<FlowEvent> events = told(world);
  ASSERT_EQ(events.size(), 8u);
  EXPECT_TRUE(shadow.judge_told(world.snapshot(), events).empty());
  options.services = "[" + test::service(0, "10.9.0.0", test::endpoint(1, "10.0.2.30", 8080)) + "]";
  World without(options);
  shadow.replace(borrow(without));
  const Differences found = shadow.judge_told(world.snapshot(), events);
  ASSERT_EQ(found.size(), 4u);
  for (const auto& each : found) {
    EXPECT_EQ(each.now.endpoint, 0u);
    EXPECT_EQ(each.then.endpoint, 1u);
    EXPECT_EQ(each.then.exit, 2u);
  }
}

TEST(Shadow, WhatComesByAPortThatIsGoneIsToldSo) {
  World world({});
  world.send(0, Frame().from("10.0.0.5", 1).to("10.0.1.30", 80).udp());
  auto without = std::make_shared<Snapshot>(world.snapshot());
  without->ports[0].port = nullptr;
  Shadow shadow(world.shared().health, without, clock_of(world));
  const Differences found = shadow.judge_listed(world.snapshot(), tracked(world));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].now.reason, Reason::forwarded);
  EXPECT_EQ(found[0].then.reason, Reason::port_down);
  EXPECT_EQ(found[0].then.steps.back().step, Step::no_port);
}

struct ShadowOfListeners : test::ListenerWorld {
  /// The shadow of other policies; what it says of connections that run.
  Differences listed(const std::string& rules) {
    auto snapshot = std::make_shared<Snapshot>(world->snapshot());
    snapshot->policies = std::make_shared<PolicyTable>(table(rules));
    return Shadow(world->shared().health, snapshot, clock_of(*world)).judge_listed(world->snapshot(), relayed(*world));
  }
  /// Selectors 0: the client, 1: the listener, 2: the endpoint.
  static std::string json(const std::string& rules) {
    return R"({"default":"allow","selectors":[{"cidrs":["10.0.0.2"],"except":[]},)"
           R"({"cidrs":["10.8.8.8"],"except":[]},{"cidrs":["10.0.1.2"],"except":[]}],"rules":[)" +
           rules + "]}";
  }
  static PolicySet table(const std::string& rules) {
    World::Options options;
    options.policies = json(rules);
    return World(options).snapshot().policies->set();
  }
};

TEST_F(ShadowOfListeners, BothPlacesOfAConnectionAreJudgedAsThenTheyAre) {
  make();
  open();
  ASSERT_EQ(counters().active.read(), 1u);
  EXPECT_TRUE(listed(rule("deny", "1", "[2]")).empty());
  for (const std::string& denied : {rule("deny", "1", "[0]"), rule("deny", "2", "[0]")}) {
    const Differences found = listed(denied);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].now.reason, Reason::tcp_terminated);
    EXPECT_EQ(found[0].then.reason, Reason::policy_denied);
    EXPECT_EQ(found[0].then.policy, 0u);
  }
  world->apply_policies(json(rule("deny", "1", "[2]")));
  run();
  EXPECT_EQ(counters().active.read(), 1u);
  world->apply_policies(json(rule("deny", "2", "[0]")));
  run();
  EXPECT_EQ(counters().active.read(), 0u);
}

TEST_F(ShadowOfListeners, ANewConnectionIsJudgedByItsEndpointToo) {
  make();
  world->shared().want_events = true;
  const uint32_t since = clock_of(*world) - 1;
  open();
  const std::vector<FlowEvent> events = told(*world);
  ASSERT_EQ(events.size(), 1u);
  for (const char* subject : {"1", "2"}) {
    auto snapshot = std::make_shared<Snapshot>(world->snapshot());
    snapshot->policies = std::make_shared<PolicyTable>(table(rule("deny", subject, "[0]")));
    Shadow shadow(world->shared().health, snapshot, since);
    const Differences found = shadow.judge_told(world->snapshot(), events);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].now.reason, Reason::tcp_terminated);
    EXPECT_EQ(found[0].then.reason, Reason::policy_denied);
  }
}

TEST_F(ShadowOfListeners, OneThatWasListedBeforeItHadItsEndpointIsJudgedByItsEvent) {
  make();
  world->shared().want_events = true;
  open();
  const std::vector<FlowEvent> events = told(*world);
  std::vector<FlowRecord> early = relayed(*world);
  ASSERT_EQ(early.size(), 1u);
  early[0].state = FlowState::tcp_syn_sent;
  Shadow shadow(world->shared().health, borrow(*world), clock_of(*world));
  shadow.judge_listed(world->snapshot(), early);
  EXPECT_EQ(shadow.judged(), 0u);
  shadow.judge_told(world->snapshot(), events);
  EXPECT_EQ(shadow.judged(), 1u);
  shadow.judge_told(world->snapshot(), events);
  EXPECT_EQ(shadow.judged(), 1u);
}

}  // namespace
}  // namespace flatproxy
