// What passes between joined ports, where there are policies: clients are behind port 0, servers behind port 1.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "l3/nd_responder.h"
#include "support/roce.h"
#include "support/world.h"

namespace flatproxy {
namespace {

using test::content;
using test::describe;
using test::Frame;
using test::own_mac;
using test::peer_mac;
using test::World;
using Bytes = std::vector<uint8_t>;

constexpr const char* kClient = "10.0.0.2";
constexpr const char* kOther = "10.0.0.3";
constexpr const char* kWeb = "10.0.0.9";

std::string policies(const std::string& rules, const std::string& otherwise = "allow") {
  return R"({"default":")" + otherwise + R"(","selectors":[{"cidrs":["10.0.0.9"],"except":[]},)" +
         R"({"cidrs":["10.0.0.2","fe80::2"],"except":[]},{"cidrs":["0.0.0.0/0","::/0"],"except":[]}],"rules":[)" +
         rules + "]}";
}

std::string rule(const std::string& action, const std::string& subject, const std::string& peer,
                 const std::string& ports = "null", const std::string& more = "") {
  return R"({"name":"p","direction":"ingress","subject":[)" + subject + R"(],"peer":)" + peer + R"(,"ports":)" + ports +
         R"(,"action":")" + action + R"(")" + more + "}";
}

/// Who may talk to web: the client alone.
const std::string kClientAlone = rule("allow", "0", "[1]");

World::Options linked(const std::string& rules, const std::string& otherwise = "allow", unsigned lanes = 1) {
  World::Options o;
  o.ports = 3;
  o.joined = true;
  o.lanes = lanes;
  o.neighbors_answer = false;
  o.policies = policies(rules, otherwise);
  return o;
}

void send_bytes(World& world, unsigned from, const Bytes& bytes) {
  Segment* frame = world.buffers().small.allocate();
  append(frame, bytes.data(), static_cast<uint32_t>(bytes.size()), world.buffers());
  world.inject(from, frame);
  world.run();
}

/// Whether the frame comes out on the other side, byte for byte.
bool passes(World& world, unsigned from, const Bytes& bytes) {
  send_bytes(world, from, bytes);
  const std::vector<Segment*> came = world.take_frames(1 - from);
  EXPECT_LE(came.size(), 1u);
  if (came.empty()) return false;
  EXPECT_EQ(content(came[0]), bytes);
  return true;
}
bool passes(World& world, unsigned from, Frame frame) {
  return passes(world, from, frame.macs(peer_mac(from), peer_mac(1 - from)).bytes());
}

Frame udp(const char* from, uint16_t source, const char* to, uint16_t port) {
  return Frame().from(from, source).to(to, port).udp().payload("x");
}
Frame tcp(const char* from, uint16_t source, const char* to, uint16_t port, const char* flags) {
  return Frame().from(from, source).to(to, port).tcp(flags, 100);
}

/// Puts 802.1Q tags, or others, in front of a frame's EtherType.
Bytes tagged(Bytes bytes, std::initializer_list<uint16_t> words) {
  Bytes tag;
  for (const uint16_t word : words) {
    tag.push_back(static_cast<uint8_t>(word >> 8));
    tag.push_back(static_cast<uint8_t>(word));
  }
  bytes.insert(bytes.begin() + 12, tag.begin(), tag.end());
  return bytes;
}

TEST(FlowLink, WhatIsAllowedPassesAsItIsAndSoDoItsAnswers) {
  World world(linked(kClientAlone));
  EXPECT_TRUE(passes(world, 0, udp(kClient, 5000, kWeb, 53).ttl(1)));
  EXPECT_TRUE(passes(world, 1, udp(kWeb, 53, kClient, 5000).ttl(1)));
  EXPECT_FALSE(passes(world, 0, udp(kOther, 5000, kWeb, 53)));
  EXPECT_TRUE(passes(world, 0, tcp(kClient, 6000, kWeb, 80, "S")));
  EXPECT_FALSE(passes(world, 0, tcp(kOther, 6000, kWeb, 80, "S")));
  EXPECT_TRUE(passes(world, 1, udp(kWeb, 7000, kOther, 53))) << "what web opens is not judged";
  EXPECT_TRUE(passes(world, 0, udp(kOther, 53, kWeb, 7000))) << "nor are the answers to it";
  EXPECT_EQ(world.flows(), 3u);
  EXPECT_EQ(world.count(Reason::passed_on), 5u);
  EXPECT_EQ(world.count(Reason::policy_default_deny), 2u);
  const FlowRecord flow = world.lane(0).flows().record(0);
  EXPECT_EQ(flow.reason, Reason::passed_on);
  EXPECT_EQ(flow.ingress, 0u);
  EXPECT_EQ(flow.packets[0] + flow.packets[1], 2u);
}

TEST(FlowLink, WithoutPoliciesAllPassesUnseen) {
  World world(linked(""));
  world.apply_policies(policies(""));
  EXPECT_TRUE(passes(world, 0, udp(kOther, 5000, kWeb, 53)));
  EXPECT_EQ(world.flows(), 0u);
}

TEST(FlowLink, WhoIsRejectedHearsOfItInHisVlanAsIfFromWhomHeAsked) {
  World world(linked(rule("reject", "0", "null")));
  Frame syn = tcp(kClient, 6000, kWeb, 80, "S").macs(peer_mac(0), peer_mac(1));
  send_bytes(world, 0, tagged(syn.bytes(), {0x8100, 7}));
  std::vector<Segment*> answer = world.take_frames(0);
  ASSERT_EQ(answer.size(), 1u);
  const Bytes got = content(answer[0]);
  const wire::Mac from = peer_mac(1), to = peer_mac(0);
  Bytes head(to.bytes.begin(), to.bytes.end());
  head.insert(head.end(), from.bytes.begin(), from.bytes.end());
  head.insert(head.end(), {0x81, 0, 0, 7});
  EXPECT_EQ(Bytes(got.begin(), got.begin() + 16), head);
  answer[0]->trim_front(4);
  std::copy(got.begin(), got.begin() + 12, answer[0]->data);
  EXPECT_EQ(describe(answer[0]), "10.0.0.9:80>10.0.0.2:6000 tcp RA ttl=64");
  send_bytes(world, 0, udp(kClient, 5000, kWeb, 53).macs(peer_mac(0), peer_mac(1)).bytes());
  answer = world.take_frames(0);
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_NE(describe(answer[0]).find("10.0.0.9>10.0.0.2 icmp 3/13"), std::string::npos) << describe(answer[0]);
  EXPECT_EQ(world.take_frames(1).size(), 0u);
}

TEST(FlowLink, TaggedPacketsAreJudgedAndNothingHidesOne) {
  World world(linked(kClientAlone));
  const Bytes allowed = udp(kClient, 5000, kWeb, 53).macs(peer_mac(0), peer_mac(1)).bytes();
  const Bytes denied = udp(kOther, 5000, kWeb, 53).macs(peer_mac(0), peer_mac(1)).bytes();
  EXPECT_TRUE(passes(world, 0, tagged(allowed, {0x8100, 7})));
  EXPECT_FALSE(passes(world, 0, tagged(denied, {0x8100, 7})));
  EXPECT_FALSE(passes(world, 0, tagged(denied, {0x8100, 0})));
  for (const int outer : {0x8100, 0x88a8, 0x9100})
    EXPECT_FALSE(passes(world, 0, tagged(allowed, {static_cast<uint16_t>(outer), 7, 0x8100, 8}))) << outer;
  EXPECT_EQ(world.count(Reason::vlan_unknown), 3u);
  for (const int other : {0x8847, 0x8848, 0x8864})
    EXPECT_FALSE(passes(world, 0, tagged(allowed, {static_cast<uint16_t>(other), 0, 0}))) << other;
  EXPECT_EQ(world.count(Reason::ether_type_unknown), 3u);
  Bytes broken = allowed;
  broken[24] ^= 1;
  EXPECT_FALSE(passes(world, 0, broken));
  EXPECT_EQ(world.count(Reason::ipv4_checksum_bad), 1u);
  Bytes grouped = allowed;
  grouped[6] |= 1;
  EXPECT_FALSE(passes(world, 0, grouped));
}

TEST(FlowLink, WhatIsNoIpPassesAndNeighboursFindEachOther) {
  World world(linked("", "deny"));
  Bytes arp = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,  0, 1, 0, 0, 8, 6, 0, 1, 8, 0,  6, 4, 0,
               1,    2,    0,    0,    1,    0,    0, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 3};
  EXPECT_TRUE(passes(world, 0, arp));
  arp.resize(30);
  EXPECT_TRUE(passes(world, 0, arp)) << "whatever it is";
  Bytes lldp(60, 0x11);
  lldp[6] = 2;
  lldp[12] = 0x88, lldp[13] = 0xcc;
  EXPECT_TRUE(passes(world, 0, lldp));
  Segment* ask = make_neighbor_solicitation(world.buffers(), {peer_mac(0), *wire::Address::parse("fe80::2")},
                                            *wire::Address::parse("fe80::9"), wire::kBroadcastMac);
  const Bytes solicitation = content(ask);
  release(ask);
  EXPECT_TRUE(passes(world, 0, solicitation));
  EXPECT_FALSE(passes(world, 0, udp("fe80::2", 5000, "fe80::9", 53)));
  EXPECT_EQ(world.count(Reason::policy_default_deny), 1u);
}

TEST(FlowLink, WorkloadsSpeakByTheirOwnSideAlone) {
  World::Options options = linked("");
  options.workloads = R"([{"id":0,"name":"web","port":1,"addresses":["10.0.0.9"]}])";
  World world(options);
  EXPECT_TRUE(passes(world, 1, udp(kWeb, 53, kClient, 5000)));
  EXPECT_TRUE(passes(world, 0, udp(kClient, 5000, kWeb, 53)));
  EXPECT_FALSE(passes(world, 0, udp(kWeb, 53, kOther, 5000))) << "in its name";
  EXPECT_FALSE(passes(world, 1, udp(kOther, 53, kClient, 5000))) << "in another's";
  EXPECT_FALSE(passes(world, 0, udp(kWeb, 53, kClient, 5000))) << "along its flow";
  EXPECT_EQ(world.count(Reason::spoofed_source), 3u);
  EXPECT_TRUE(passes(world, 1, udp("fe80::7", 546, "ff02::1:2", 547)));
  EXPECT_TRUE(passes(world, 1, udp("0.0.0.0", 68, "255.255.255.255", 67)));
}

TEST(FlowLink, WhatComesByAnotherWayInAnothersNameEndsNothingOfHis) {
  World::Options options = linked("");
  options.workloads = R"([{"id":0,"name":"web","port":1,"addresses":["10.0.0.9"]}])";
  World world(options);
  const Frame roce = test::roce_frame(kWeb, kClient, test::roce_payload(test::roce_opcode::kSendOnly, 7, 1));
  EXPECT_TRUE(passes(world, 1, udp(kWeb, 53, kClient, 5000)));
  EXPECT_TRUE(passes(world, 1, roce));
  world.shared().want_events = true;
  world.send(2, udp(kWeb, 53, kClient, 5000));
  world.send(2, roce);
  EXPECT_EQ(world.count(Reason::spoofed_source), 2u);
  FlowEvent event;
  while (world.lane(0).flows().events().pop(event)) EXPECT_NE(event.kind, FlowEventKind::closed);
  EXPECT_EQ(world.flows(), 1u);
  EXPECT_EQ(world.lane(0).roce().table().size(), 1u);
}

TEST(FlowLink, AChangeOfPoliciesCutsWhatTheyDeny) {
  World world(linked(kClientAlone));
  EXPECT_TRUE(passes(world, 0, udp(kClient, 5000, kWeb, 53)));
  EXPECT_TRUE(passes(world, 1, udp(kWeb, 7000, kOther, 53)));
  world.apply_policies(policies(rule("deny", "0", "null")));
  EXPECT_FALSE(passes(world, 1, udp(kWeb, 53, kClient, 5000))) << "whichever way it goes";
  EXPECT_TRUE(passes(world, 0, udp(kOther, 53, kWeb, 7000)));
  EXPECT_EQ(world.flows(), 1u);
  world.apply_policies(policies(""));
  EXPECT_TRUE(passes(world, 0, udp(kClient, 5000, kWeb, 53))) << "nobody judges";
}

TEST(FlowLink, PoliciesAskByWhichPortAFlowComes) {
  World world(linked(rule("deny", "2", "null", "null", R"(,"on":[1])")));
  EXPECT_TRUE(passes(world, 0, udp(kClient, 5000, kWeb, 53)));
  EXPECT_TRUE(passes(world, 1, udp(kWeb, 53, kClient, 5000))) << "an answer";
  EXPECT_FALSE(passes(world, 1, udp(kWeb, 7000, kClient, 53)));
  EXPECT_TRUE(passes(world, 0, tcp(kClient, 6000, kWeb, 80, "S")));
  EXPECT_FALSE(passes(world, 0, tcp(kClient, 6001, kWeb, 80, "A"))) << "in mid-stream: web may have opened it";
  world.apply_policies(policies(rule("deny", "2", "null", "null", R"(,"on":[0])")));
  EXPECT_FALSE(passes(world, 1, udp(kWeb, 53, kClient, 5000))) << "along the flow that came by port 0";
}

TEST(FlowLink, FragmentsAndErrorsFollowTheirFlow) {
  World world(linked(kClientAlone));
  const Frame whole = udp(kClient, 5000, kWeb, 53).payload_of(1000);
  for (const auto& [offset, size] : {std::pair{0u, 504u}, {504u, 0u}})
    EXPECT_TRUE(passes(world, 0, Frame(whole).fragment(9, offset, size)));
  EXPECT_EQ(world.flows(), 1u);
  const Frame other = udp(kOther, 5000, kWeb, 53).payload_of(1000);
  for (const auto& [offset, size] : {std::pair{0u, 504u}, {504u, 0u}})
    EXPECT_FALSE(passes(world, 0, Frame(other).fragment(10, offset, size)));
  const auto error = [](const Frame& about, const char* to) {
    return Frame().from(kWeb).to(to).icmp_error(3, 3, about.packet());
  };
  EXPECT_TRUE(passes(world, 1, error(udp(kClient, 5000, kWeb, 53), kClient).ttl(1)));
  const auto to_web = [](const Frame& about) { return Frame().from(kOther).to(kWeb).icmp_error(3, 3, about.packet()); };
  EXPECT_FALSE(passes(world, 0, to_web(udp(kWeb, 1, kOther, 1)))) << "about no flow: judged by itself";
}

TEST(FlowLink, ALinkGoesOnWhileWeDrain) {
  World world(linked(kClientAlone));
  world.shared().refuse_new = true;
  EXPECT_TRUE(passes(world, 0, udp(kClient, 5000, kWeb, 53)));
  EXPECT_FALSE(passes(world, 0, udp(kOther, 5000, kWeb, 53)));
  EXPECT_TRUE(
      passes(world, 0, test::roce_frame(kClient, kWeb, test::roce_payload(test::roce_opcode::kSendOnly, 7, 1))));
}

TEST(FlowLink, RoceIsTrackedAndJudged) {
  World world(linked(rule("deny", "0", "null", R"([{"opcodes":["write"],"first":0,"last":9}])")));
  const auto packet = [](uint8_t opcode, uint32_t qp) {
    return test::roce_frame(kClient, kWeb, test::roce_payload(opcode, qp, 1)).ttl(1);
  };
  EXPECT_TRUE(passes(world, 0, packet(test::roce_opcode::kSendOnly, 7)));
  EXPECT_FALSE(passes(world, 0, packet(test::roce_opcode::kWriteOnly, 7)));
  EXPECT_TRUE(passes(world, 0, packet(test::roce_opcode::kWriteOnly, 70)));
  EXPECT_EQ(world.lane(0).roce().table().size(), 2u);
  EXPECT_EQ(world.lane(0).roce().record(0).reason, Reason::passed_on);
}

TEST(FlowLink, PoliciesThatGoOnHoldForItToo) {
  const std::string limit = rule("limit", "0", "null", "null",
                                 R"(,"counter":0,"limit":{"of":"packets","rate":2,"interval":3600000,"burst":2})");
  const std::string mirror =
      rule("mirror", "0", "null", "null", R"(,"counter":1,"mirror":{"port":2,"snapLength":null})");
  World world(linked(limit + "," + mirror));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(passes(world, 0, udp(kClient, 5000, kWeb, 53)), i < 2);
  EXPECT_EQ(world.count(Reason::rate_limited), 1u);
  EXPECT_EQ(world.take_frames(2).size(), 2u);
}

TEST(FlowLink, OneLaneHasAFlow) {
  World world(linked(kClientAlone, "allow", 2));
  const auto from_lane = [&](unsigned queue, unsigned port, Frame frame) {
    world.send(port, frame, queue);
    return world.take_frames(1 - port).size() == 1;
  };
  for (uint16_t port = 5000; port < 5020; ++port) {
    for (const unsigned queue : {0u, 1u}) {
      EXPECT_TRUE(from_lane(queue, 0, udp(kClient, port, kWeb, 53)));
      EXPECT_TRUE(from_lane(1 - queue, 1, udp(kWeb, 53, kClient, port)));
      EXPECT_FALSE(from_lane(queue, 0, udp(kOther, port, kWeb, 53)));
    }
  }
  EXPECT_EQ(world.flows(), 20u);
}

TEST(FlowLink, TheSameAddressesByARouteAreAnotherFlow) {
  World::Options options = linked(rule("deny", "0", "[1]", R"([{"protocol":17,"first":1,"last":1}])"));
  options.neighbors_answer = true;
  options.routes = R"([{"to":"10.0.0.9/32","port":2}])";
  World world(options);
  EXPECT_TRUE(passes(world, 0, udp(kClient, 5000, kWeb, 53)));
  world.send(2, udp(kClient, 5000, kWeb, 53));
  EXPECT_EQ(world.take(2).size(), 1u) << "where its route leads";
  EXPECT_EQ(world.take_frames(1).size(), 0u);
  EXPECT_TRUE(passes(world, 0, udp(kClient, 5000, kWeb, 53)));
  EXPECT_EQ(world.flows(), 2u) << "both run";
  EXPECT_EQ(world.lane(0).flows().record(0).reason, Reason::passed_on);
  EXPECT_EQ(world.lane(0).flows().record(0).packets[0], 2u);
  EXPECT_EQ(world.lane(0).flows().record(1).reason, Reason::forwarded);
  EXPECT_EQ(world.lane(0).flows().record(1).packets[0], 1u);
}

}  // namespace
}  // namespace flatproxy
