// What becomes of RoCEv2.
#include "lane/roce_stage.h"

#include <gtest/gtest.h>

#include "support/roce.h"
#include "support/world.h"

namespace flatproxy {
namespace {

namespace opcode = test::roce_opcode;
using test::aeth;
using test::Frame;
using test::roce_frame;
using test::roce_payload;
using test::World;

constexpr const char* kLeft = "10.0.0.2";
constexpr const char* kRight = "10.0.1.2";

World::Options tracked() { return {.flows = R"("track":"all",)"}; }

World::Options with_policies(const std::string& rules) {
  World::Options o = tracked();
  o.workloads = R"([{"id":0,"name":"left","port":0,"addresses":["10.0.0.2"]},)"
                R"({"id":1,"name":"right","port":1,"addresses":["10.0.1.2"]}])";
  o.policies = R"({"default":"allow","selectors":[{"workloads":[0]},{"workloads":[1]}],"rules":[)" + rules + "]}";
  return o;
}

const char* const kDenyRoce = R"({"name":"p","direction":"ingress","subject":[1],"peer":[0],)"
                              R"("ports":[{"protocol":17,"first":4791,"last":4791}],"action":"deny"})";

const char* const kDenyTcp = R"({"name":"p","direction":"ingress","subject":[1],"peer":[0],)"
                             R"("ports":[{"protocol":6,"first":1,"last":1}],"action":"deny"})";

uint64_t packets(World& world, wire::RoceClass kind) {
  return world.lane(0).counters().roce.classes[static_cast<size_t>(kind)].packets.read();
}

/// The only flow there is.
FlowRecord only_flow(World& world) {
  const RoceStage& stage = world.lane(0).roce();
  EXPECT_EQ(stage.table().size(), 1u);
  for (FlowId id = 0; id < stage.table().id_limit(); ++id) {
    if (stage.table().in_use(id)) return stage.record(id);
  }
  return {};
}

TEST(RoceStageTest, PassesOnAndCounts) {
  World world(tracked());
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kWriteOnly, 0x1234, 7)));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kWriteOnly, 0x1234, 8), 0xc777));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kWriteOnly, 0x1234, 7)));
  const auto came = world.take_frames(1);
  ASSERT_EQ(came.size(), 3u);
  for (const Segment* frame : came) EXPECT_TRUE(test::checksums_right(frame));
  EXPECT_EQ(world.flows(), 0u) << "it is no flow of UDP";
  const FlowRecord flow = only_flow(world);
  EXPECT_TRUE(flow.roce);
  EXPECT_EQ(flow.qp, 0x1234u);
  EXPECT_EQ(flow.packets[kOriginal], 3u);
  EXPECT_EQ(flow.bytes[kOriginal], 3u * (20 + 8 + 12 + 4));
  EXPECT_EQ(flow.roce_counts.retransmitted, 1u);
  EXPECT_EQ(packets(world, wire::RoceClass::write), 3u);
  EXPECT_EQ(world.lane(0).counters().roce.retransmitted.read(), 1u);
}

TEST(RoceStageTest, EachWayIsAFlow) {
  World world(tracked());
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 1)));
  world.send(1, roce_frame(kRight, kLeft, roce_payload(opcode::kAck, 5, 1, aeth(test::kAckSyndrome))));
  world.send(1, roce_frame(kRight, kLeft, roce_payload(opcode::kAck, 5, 1, aeth(test::kRnrSyndrome))));
  world.send(1, roce_frame(kRight, kLeft, roce_payload(opcode::kAck, 5, 1, aeth(test::kNakSyndrome))));
  EXPECT_EQ(world.take(0).size(), 3u);
  EXPECT_EQ(world.take(1).size(), 1u);
  EXPECT_EQ(world.lane(0).roce().table().size(), 2u);
  EXPECT_EQ(world.lane(0).counters().roce.naks.read(), 2u);
}

TEST(RoceStageTest, Ipv6AsWell) {
  World world(tracked());
  world.send(0, roce_frame("fd00::2", "fd00:0:0:1::2", roce_payload(opcode::kReadRequest, 5, 1)));
  EXPECT_EQ(world.take(1).size(), 1u);
  const FlowRecord flow = only_flow(world);
  EXPECT_EQ(flow.original.family, 6);
  EXPECT_EQ(flow.roce_counts.classes[static_cast<size_t>(wire::RoceClass::read)].packets, 1u);
}

TEST(RoceStageTest, WhatHasNoHeaderIsOrdinaryUdp) {
  World world(tracked());
  std::string other_version = roce_payload(opcode::kSendOnly, 5, 1);
  other_version[1] = 1;
  world.send(0, roce_frame(kLeft, kRight, other_version));
  world.send(0, roce_frame(kLeft, kRight, std::string(11, '\0'), 0xc002));
  EXPECT_EQ(world.take(1).size(), 2u);
  EXPECT_EQ(world.lane(0).roce().table().size(), 0u);
  EXPECT_EQ(world.flows(), 2u);
}

TEST(RoceStageTest, AClientMayHaveThePortOfRoce) {
  World world(tracked());
  world.send(0, Frame().from(kLeft, wire::kRocePort).to(kRight, 53).udp().payload("question"));
  world.send(1, Frame().from(kRight, 53).to(kLeft, wire::kRocePort).udp().payload(roce_payload(0, 0, 0)));
  EXPECT_EQ(world.take(0).size(), 1u);
  EXPECT_EQ(world.lane(0).roce().table().size(), 0u);
  EXPECT_EQ(world.flows(), 1u);
}

TEST(RoceStageTest, WhatIsForThisNodeIsNoFlow) {
  World world(tracked());
  world.send(0, roce_frame(kLeft, "10.0.0.1", roce_payload(opcode::kSendOnly, 5, 1)));
  EXPECT_EQ(world.count(Reason::port_unreachable), 1u);
  EXPECT_EQ(world.lane(0).roce().table().size(), 0u);
}

TEST(RoceStageTest, WithoutTrackingItIsRouted) {
  World world({.flows = R"("track":"services",)"});
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 1)));
  EXPECT_EQ(world.take(1).size(), 1u);
  EXPECT_EQ(world.lane(0).roce().table().size(), 0u);
}

TEST(RoceStageTest, QuietFlowsEnd) {
  World world(tracked());
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 1)));
  world.run(50'000'000'000);
  EXPECT_EQ(world.lane(0).roce().table().size(), 1u);
  world.run(11'000'000'000);
  EXPECT_EQ(world.lane(0).roce().table().size(), 0u);
}

TEST(RoceStageTest, NoPolicyNoPacket) {
  World world(with_policies(kDenyRoce));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 1)));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 6, 1)));
  EXPECT_TRUE(world.take(1).empty());
  EXPECT_EQ(world.count(Reason::policy_denied), 2u);
  EXPECT_EQ(world.lane(0).roce().table().size(), 0u);
}

TEST(RoceStageTest, NewPoliciesCutFlowsThatRun) {
  World world(with_policies(""));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 1)));
  world.send(1, roce_frame(kRight, kLeft, roce_payload(opcode::kSendOnly, 5, 1)));
  world.take(0);
  world.take(1);
  world.apply_policies(with_policies(kDenyRoce).policies);
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 2)));
  world.send(1, roce_frame(kRight, kLeft, roce_payload(opcode::kSendOnly, 5, 2)));
  EXPECT_TRUE(world.take(1).empty());
  EXPECT_EQ(world.take(0).size(), 1u) << "the other way is allowed";
  EXPECT_EQ(world.count(Reason::policy_denied), 1u);
  EXPECT_EQ(world.lane(0).roce().table().size(), 1u);
}

TEST(RoceStageTest, NewPoliciesEndFlowsThatAreSilent) {
  World world(with_policies(""));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 1)));
  world.apply_policies(with_policies(kDenyRoce).policies);
  world.run(100'000'000);
  EXPECT_EQ(world.lane(0).roce().table().size(), 0u);
}

std::string roce_rule(const std::string& action, const std::string& opcodes, unsigned first, unsigned last) {
  return R"({"name":"p","direction":"ingress","subject":[1],"peer":[0],"ports":[{"opcodes":[)" + opcodes +
         R"(],"first":)" + std::to_string(first) + R"(,"last":)" + std::to_string(last) + R"(}],"action":)" + action +
         "}";
}

TEST(RoceStageTest, PoliciesKnowQueuePairsAndOpcodes) {
  World world(with_policies(roce_rule(R"("deny")", R"("write","atomic")", 5, 6)));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 1)));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kWriteOnly, 5, 2)));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kWriteOnly, 6, 1)));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kWriteOnly, 7, 1)));
  EXPECT_EQ(world.take(1).size(), 2u);
  EXPECT_EQ(world.count(Reason::policy_denied), 2u);
  EXPECT_EQ(packets(world, wire::RoceClass::write), 1u) << "what is denied is not counted with its flow";
  world.apply_policies(with_policies(roce_rule(R"("deny")", R"("send")", 0, 0xffffff)).policies);
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 3)));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kWriteOnly, 5, 4)));
  EXPECT_EQ(world.take(1).size(), 1u) << "flows that run are judged anew, class by class";
  EXPECT_EQ(world.lane(0).roce().table().size(), 2u);
}

TEST(RoceStageTest, WhatRunsIsKeptWhereTheMeshSaysSo) {
  World world(with_policies(""));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 1)));
  std::string keeps = with_policies(roce_rule(R"("deny")", R"("send")", 0, 0xffffff)).policies;
  keeps.insert(1, R"("onDeny":"keep",)");
  world.apply_policies(keeps);
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 2)));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 6, 1)));
  EXPECT_EQ(world.take(1).size(), 2u);
  EXPECT_EQ(world.count(Reason::policy_denied), 1u);
}

TEST(RoceStageTest, WhatPoliciesThatKeepAllowAnewPasses) {
  World world(with_policies(roce_rule(R"("deny")", R"("write")", 0, 0xffffff)));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 1)));
  std::string keeps = with_policies(roce_rule(R"("deny")", R"("read")", 0, 0xffffff)).policies;
  keeps.insert(1, R"("onDeny":"keep",)");
  world.apply_policies(keeps);
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kWriteOnly, 5, 2)));
  EXPECT_EQ(world.take(1).size(), 2u);
}

TEST(RoceStageTest, FragmentsDoNotPassByPoliciesThatAskForTheQueuePair) {
  const auto fragments = [](World& world) {
    const Frame whole = roce_frame(kLeft, kRight, roce_payload(opcode::kWriteOnly, 5, 1) + std::string(100, 'x'));
    world.send(0, Frame(whole).fragment(7, 0, 64));
    world.send(0, Frame(whole).fragment(7, 64, 60));
  };
  World open(with_policies(kDenyTcp));
  fragments(open);
  EXPECT_EQ(open.take(1).size(), 2u) << "ordinary UDP, where no policy asks";
  World world(with_policies(roce_rule(R"("deny")", R"("write")", 5, 5)));
  fragments(world);
  EXPECT_TRUE(world.take(1).empty());
  EXPECT_EQ(world.count(Reason::roce_fragmented), 2u);
}

TEST(RoceStageTest, PoliciesLogIt) {
  World world(with_policies(roce_rule(R"("log","counter":3)", R"("write")", 5, 5)));
  world.shared().want_events.store(true);
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 1)));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kWriteOnly, 6, 1)));
  FlowEvent event;
  while (world.lane(0).flows().events().pop(event)) EXPECT_NE(event.kind, FlowEventKind::logged);
  world.apply_policies(with_policies(roce_rule(R"("log","counter":3)", R"("send")", 5, 5)).policies);
  world.run(100'000'000);
  unsigned logged = 0;
  while (world.lane(0).flows().events().pop(event)) logged += event.kind == FlowEventKind::logged;
  EXPECT_EQ(logged, 1u) << "new policies tell of what runs";
}

/// Events of a kind that have come since the last call.
unsigned events(World& world, FlowEventKind kind) {
  unsigned found = 0;
  FlowEvent event;
  while (world.lane(0).flows().events().pop(event)) found += event.kind == kind;
  return found;
}

TEST(RoceStageTest, ManyNaksWithinASecondAreAnAlarmEachSecond) {
  World::Options options = tracked();
  options.flows += R"("roce":{"nakAlarm":3,"cnpAlarm":0},)";
  World world(options);
  world.shared().want_events.store(true);
  const auto naks = [&](unsigned count) {
    for (unsigned i = 0; i < count; ++i)
      world.send(1, roce_frame(kRight, kLeft, roce_payload(opcode::kAck, 5, 1, aeth(test::kNakSyndrome))));
  };
  naks(2);
  world.run(1'100'000'000);
  naks(2);
  EXPECT_EQ(events(world, FlowEventKind::nak_alarm), 0u) << "not within one second";
  naks(5);
  EXPECT_EQ(events(world, FlowEventKind::nak_alarm), 1u);
  world.run(1'100'000'000);
  naks(9);
  EXPECT_EQ(events(world, FlowEventKind::nak_alarm), 1u);
  for (unsigned i = 0; i < 2000; ++i) world.send(1, roce_frame(kRight, kLeft, roce_payload(opcode::kCnp, 5, 0)));
  EXPECT_EQ(events(world, FlowEventKind::cnp_alarm), 0u) << "0: never";
}

TEST(RoceStageTest, PoliciesLimitAndMirrorIt) {
  const std::string limit = R"("limit","counter":1,"limit":{"of":"packets","rate":1,"interval":1000,"burst":2})";
  World world(with_policies(roce_rule(limit, R"("write")", 5, 5)));
  for (uint32_t psn = 0; psn < 5; ++psn)
    world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kWriteOnly, 5, psn)));
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 9)));
  EXPECT_EQ(world.take(1).size(), 3u) << "two writes, and the send, which is not limited";
  EXPECT_EQ(world.count(Reason::rate_limited), 3u);

  World::Options options =
      with_policies(roce_rule(R"("mirror","counter":1,"mirror":{"port":2,"snapLength":null})", R"("write")", 5, 5));
  options.ports = 3;
  World mirrored(options);
  mirrored.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kWriteOnly, 5, 1)));
  mirrored.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 2)));
  EXPECT_EQ(mirrored.take(1).size(), 2u);
  EXPECT_EQ(mirrored.take(2).size(), 1u);
}

TEST(RoceStageTest, ForgedSourcesDoNotPass) {
  World world(with_policies(""));
  world.send(0, roce_frame(kRight, kLeft, roce_payload(opcode::kSendOnly, 5, 1)));
  EXPECT_EQ(world.count(Reason::spoofed_source), 1u);
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 1)));
  world.send(1, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 2)));
  EXPECT_EQ(world.count(Reason::spoofed_source), 2u) << "also along a flow that runs";
  EXPECT_EQ(only_flow(world).packets[kOriginal], 1u);
}

TEST(RoceStageTest, WhoHasMovedSendsFromThereAlone) {
  World::Options options = with_policies("");
  options.ports = 3;
  World world(options);
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 1)));
  world.apply_workloads(R"([{"id":0,"name":"left","port":2,"addresses":["10.0.0.2"]},)"
                        R"({"id":1,"name":"right","port":1,"addresses":["10.0.1.2"]}])");
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 2)));
  EXPECT_EQ(world.count(Reason::spoofed_source), 1u) << "also along a flow that was opened there";
  world.send(2, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 2)));
  EXPECT_EQ(world.take(1).size(), 2u);
}

TEST(RoceStageTest, OneLaneHasAFlow) {
  World::Options options = tracked();
  options.lanes = 3;
  World world(options);
  for (unsigned queue = 0; queue < 3; ++queue)
    world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, queue)), queue);
  EXPECT_EQ(world.take(1).size(), 3u);
  uint32_t flows = 0;
  for (unsigned lane = 0; lane < 3; ++lane) flows += world.lane(lane).roce().table().size();
  EXPECT_EQ(flows, 1u);
}

TEST(RoceStageTest, WhoListensHearsOfFlows) {
  World world(tracked());
  world.shared().want_events.store(true);
  world.send(0, roce_frame(kLeft, kRight, roce_payload(opcode::kSendOnly, 5, 1)));
  FlowEvent event;
  ASSERT_TRUE(world.lane(0).flows().events().pop(event));
  EXPECT_EQ(event.kind, FlowEventKind::opened);
  EXPECT_TRUE(event.flow.roce);
  world.run(62'000'000'000);
  ASSERT_TRUE(world.lane(0).flows().events().pop(event));
  EXPECT_EQ(event.kind, FlowEventKind::closed);
  EXPECT_EQ(event.flow.packets[kOriginal], 1u);
}

}  // namespace
}  // namespace flatproxy
