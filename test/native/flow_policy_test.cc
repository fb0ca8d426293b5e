// What policies and the binding of addresses to ports do to packets.
#include <gtest/gtest.h>

#include "support/world.h"

namespace flatproxy {
namespace {

using test::Frame;
using test::World;
using Texts = std::vector<std::string>;

constexpr const char* kClient = "10.0.0.2";
constexpr const char* kOther = "10.0.0.3";
constexpr const char* kWeb = "10.0.1.5";

/// Selectors 0: web, 1: the client, 2: whoever is on the client's port, 3: every workload.
std::string policies(const std::string& rules, const std::string& otherwise = "allow") {
  return R"({"default":")" + otherwise + R"(","selectors":[{"workloads":[0]},{"workloads":[1]},)" +
         R"({"cidrs":["10.0.0.0/24"],"except":[]},{"workloads":"all"}],"rules":[)" + rules + "]}";
}

std::string rule(const std::string& action, const std::string& subject, const std::string& peer,
                 const std::string& ports = "null", const std::string& direction = "ingress") {
  return R"({"name":"p","direction":")" + direction + R"(","subject":[)" + subject + R"(],"peer":)" + peer +
         R"(,"ports":)" + ports + R"(,"action":")" + action + R"("})";
}

std::string tcp_port(unsigned port) {
  const std::string number = std::to_string(port);
  return R"([{"protocol":6,"first":)" + number + R"(,"last":)" + number + "}]";
}

/// `web` is behind port 1, `client` behind port 0, nobody that is known behind port 2.
World::Options with(const std::string& rules, const std::string& otherwise = "allow") {
  World::Options o;
  o.ports = 3;
  o.routes = R"([{"to":"0.0.0.0/0","port":2,"via":"10.0.2.99"}])";
  o.workloads = R"([{"id":0,"name":"web","port":1,"addresses":["10.0.1.5"]},)"
                R"({"id":1,"name":"client","port":0,"addresses":["10.0.0.2"]}])";
  o.policies = policies(rules, otherwise);
  return o;
}

Frame tcp(const char* from, uint16_t source, const char* to, uint16_t port, const char* flags, uint32_t sequence = 1,
          uint32_t ack = 0) {
  return Frame().from(from, source).to(to, port).tcp(flags, sequence, ack);
}

/// A handshake of the client with web, port 80, from `source`.
void connect(World& world, uint16_t source, const char* client = kClient) {
  world.send(0, tcp(client, source, kWeb, 80, "S", 100));
  world.send(1, tcp(kWeb, 80, client, source, "SA", 500, 101));
  world.send(0, tcp(client, source, kWeb, 80, "A", 101, 501));
  ASSERT_EQ(world.take(1).size(), 2u);
  ASSERT_EQ(world.take(0).size(), 1u);
}

TEST(FlowPolicy, WhatIsNotAllowedOpensNoFlow) {
  World world(with(rule("allow", "0", "[1]", tcp_port(80))));
  world.send(0, tcp(kClient, 1000, kWeb, 81, "S"));
  world.send(0, tcp(kOther, 1000, kWeb, 80, "S"));
  world.send(0, Frame().from(kClient, 1).to(kWeb, 80).udp());
  world.send(0, Frame().from(kClient).to(kWeb).echo(true, 7));
  EXPECT_EQ(world.take(1), Texts());
  EXPECT_EQ(world.take(0), Texts()) << "nobody is told";
  EXPECT_EQ(world.count(Reason::policy_default_deny), 4u);
  EXPECT_EQ(world.flows(), 0u);
}

TEST(FlowPolicy, AnswersBelongToTheirFlow) {
  World world(with(rule("allow", "0", "[1]", tcp_port(80)) + "," + rule("allow", "0", "[]", "null", "egress") + "," +
                   rule("allow", "1", "[]")));
  connect(world, 1000);
  EXPECT_EQ(world.flows(), 1u) << "neither may web send to anyone, nor the client receive";
  world.send(1, tcp(kWeb, 80, kClient, 2000, "S"));
  EXPECT_EQ(world.count(Reason::policy_default_deny), 1u);
  const auto quoted = tcp(kWeb, 80, kClient, 1000, "A", 501, 101).packet();
  world.send(0, Frame().from(kClient).to(kWeb).icmp_error(3, 3, quoted));
  EXPECT_EQ(world.count(Reason::icmp_related), 1u);
}

TEST(FlowPolicy, ADenialIsSilentAndARejectionIsTold) {
  World world(with(rule("deny", "0", "null", tcp_port(22)) + "," + rule("reject", "0", "[1]")));
  world.send(0, tcp(kClient, 1000, kWeb, 22, "S", 7));
  EXPECT_EQ(world.take(0), Texts());
  EXPECT_EQ(world.count(Reason::policy_denied), 1u);
  world.send(0, tcp(kClient, 1000, kWeb, 80, "S", 7));
  EXPECT_EQ(world.take(0), Texts{"10.0.1.5:80>10.0.0.2:1000 tcp RA ttl=64"});
  world.send(0, Frame().from(kClient, 9).to(kWeb, 53).udp());
  EXPECT_EQ(world.take(0), Texts{"10.0.0.1>10.0.0.2 icmp 3/13 ttl=64"});
  EXPECT_EQ(world.count(Reason::policy_rejected), 2u);
  world.send(0, tcp(kOther, 1000, kWeb, 80, "S", 7));
  EXPECT_EQ(world.take(1).size(), 1u) << "denials isolate nobody";
}

TEST(FlowPolicy, OfAServiceTheEndpointIsJudged) {
  World::Options options = with(rule("allow", "0", "[1]", tcp_port(8080)));
  options.services = test::service_json({kWeb});
  World world(options);
  world.send(0, tcp(kOther, 1000, "10.9.9.9", 80, "S"));
  EXPECT_EQ(world.count(Reason::policy_default_deny), 1u);
  EXPECT_EQ(world.take(1), Texts());
  EXPECT_EQ(world.flows(), 0u);
  world.send(0, tcp(kClient, 1000, "10.9.9.9", 80, "S"));
  EXPECT_EQ(world.take(1), Texts{"10.0.0.2:1000>10.0.1.5:8080 tcp S ttl=63"});
  world.apply_policies(policies(rule("reject", "0", "[1]")));
  world.send(0, tcp(kClient, 1000, "10.9.9.9", 80, "S"));
  EXPECT_EQ(world.take(1), Texts());
  EXPECT_EQ(world.take(0), Texts{"10.9.9.9:80>10.0.0.2:1000 tcp RA ttl=64"}) << "by the address that it knows";
  EXPECT_EQ(world.flows(), 0u);
}

TEST(FlowPolicy, ADenyByDefaultNeedsOneWhoAllows) {
  World world(with(rule("allow", "1", "[0]", tcp_port(80), "egress"), "deny"));
  connect(world, 1000);
  world.send(0, tcp(kOther, 1000, kWeb, 80, "S"));
  world.send(2, tcp("192.0.2.1", 1000, kWeb, 80, "S"));
  EXPECT_EQ(world.count(Reason::policy_default_deny), 2u);
}

TEST(FlowPolicy, AChangeCutsTheFlowsThatItDeniesAndNoOthers) {
  World world(with(""));
  connect(world, 1000);
  connect(world, 2000, kOther);
  world.apply_policies(policies(rule("deny", "0", "[1]")));
  world.send(0, tcp(kOther, 2000, kWeb, 80, "A", 101, 501));
  world.send(1, tcp(kWeb, 80, kOther, 2000, "A", 501, 101));
  EXPECT_EQ(world.take(1).size(), 1u);
  EXPECT_EQ(world.take(0).size(), 1u);
  world.send(0, tcp(kClient, 1000, kWeb, 80, "A", 101, 501));
  EXPECT_EQ(world.take(1), Texts());
  EXPECT_EQ(world.count(Reason::policy_denied), 1u);
  EXPECT_EQ(world.flows(), 1u);
}

TEST(FlowPolicy, WhatWasCutDoesNotOpenTheOtherWayRound) {
  World world(with(""));
  connect(world, 1000);
  world.apply_policies(policies(rule("deny", "0", "[1]")));
  for (int i = 0; i < 2; ++i) {
    world.send(1, tcp(kWeb, 80, kClient, 1000, "A", 501, 101));
    world.send(0, tcp(kClient, 1000, kWeb, 80, "A", 101, 501));
  }
  EXPECT_EQ(world.take(0), Texts()) << "web may talk to the client, but this is the client's flow";
  EXPECT_EQ(world.take(1), Texts());
  EXPECT_EQ(world.count(Reason::policy_denied), 4u);
}

TEST(FlowPolicy, ErrorsAboutAFlowThatIsDeniedNowDoNotPassEither) {
  World world(with(""));
  connect(world, 1000);
  world.apply_policies(policies(rule("deny", "0", "[1]")));
  world.send(1, Frame().from(kWeb).to(kClient).icmp_error(3, 3, tcp(kClient, 1000, kWeb, 80, "A", 101, 501).packet()));
  EXPECT_EQ(world.take(0), Texts());
  EXPECT_EQ(world.count(Reason::policy_denied), 1u);
  EXPECT_EQ(world.count(Reason::icmp_related), 0u);
}

TEST(FlowPolicy, AChangeEndsSilentFlowsAsWell) {
  World world(with(""));
  connect(world, 1000);
  connect(world, 2000, kOther);
  world.apply_policies(policies(rule("deny", "0", "[1]")));
  world.run(10'000'000);
  EXPECT_EQ(world.flows(), 1u) << "nothing was sent";
  EXPECT_EQ(world.count(Reason::policy_denied), 0u);
  EXPECT_FALSE(world.lane(0).flows().sweeping());
  for (unsigned port = 0; port < 2; ++port) EXPECT_EQ(world.take(port), Texts());
  world.send(0, tcp(kOther, 2000, kWeb, 80, "A", 101, 501));
  EXPECT_EQ(world.take(1).size(), 1u);
}

TEST(FlowPolicy, ManyFlowsEndSliceBySlice) {
  constexpr uint32_t kFlows = 1000;
  World world(with(""));
  for (uint32_t i = 0; i < kFlows; ++i)
    world.send(0, Frame().from(kClient, static_cast<uint16_t>(1000 + i)).to(kWeb, 53).udp());
  ASSERT_EQ(world.flows(), kFlows);
  world.apply_policies(policies(rule("deny", "0", "[1]")));
  world.run(1'000'000);
  EXPECT_GT(world.flows(), kFlows / 2) << "a tick is short";
  EXPECT_LT(world.flows(), kFlows);
  EXPECT_LE(world.lane(0).next_deadline(world.now()), world.now() + 1'000'000) << "the next one is not far";
  for (int i = 0; i < 100; ++i) world.run(1'000'000);
  EXPECT_EQ(world.flows(), 0u);
  // What changes nothing looks for nothing.
  world.apply_policies(policies(rule("deny", "0", "[1]")));
  EXPECT_FALSE(world.lane(0).flows().sweeping());
}

TEST(FlowPolicy, OrAChangeKeepsWhatRuns) {
  const std::string denial = rule("deny", "0", "[1]");
  const auto keeping = [&](const std::string& word) {
    return policies(denial).insert(1, R"("onDeny":")" + word + R"(",)");
  };
  World world(with(""));
  connect(world, 1000);
  world.apply_policies(keeping("keep"));
  world.run(10'000'000);
  world.send(0, tcp(kClient, 1000, kWeb, 80, "A", 101, 501));
  world.send(1, tcp(kWeb, 80, kClient, 1000, "A", 501, 101));
  world.send(1, Frame().from(kWeb).to(kClient).icmp_error(3, 3, tcp(kClient, 1000, kWeb, 80, "A", 101, 501).packet()));
  EXPECT_EQ(world.take(1).size(), 1u);
  EXPECT_EQ(world.take(0).size(), 2u);
  world.send(0, tcp(kClient, 2000, kWeb, 80, "S"));
  EXPECT_EQ(world.count(Reason::policy_denied), 1u) << "what is new is refused";
  EXPECT_EQ(world.take(1), Texts());
  world.apply_policies(keeping("cut"));
  world.run(10'000'000);
  EXPECT_EQ(world.flows(), 0u);
}

TEST(FlowPolicy, WhatIsAllowedAgainOpensAnew) {
  World world(with(rule("deny", "0", "[1]")));
  world.send(0, tcp(kClient, 1000, kWeb, 80, "S", 100));
  EXPECT_EQ(world.flows(), 0u);
  world.apply_policies(policies(""));
  connect(world, 1000);
}

uint64_t spoofed_by(World& world, uint16_t port) { return world.lane(0).counters().ports[port].spoofed.read(); }

TEST(Spoofing, AWorkloadsAddressIsItsPortsAlone) {
  World world(with(""));
  world.send(0, tcp(kWeb, 1000, "192.0.2.1", 80, "S"));
  world.send(2, tcp(kClient, 1000, kWeb, 80, "S"));
  world.send(2, Frame().from(kClient).to("10.0.1.1").echo(true, 7));
  EXPECT_EQ(world.count(Reason::spoofed_source), 3u);
  EXPECT_EQ(world.flows(), 0u);
  for (unsigned port = 0; port < 3; ++port) EXPECT_EQ(world.take(port), Texts());
  EXPECT_EQ(spoofed_by(world, 0), 1u);
  EXPECT_EQ(spoofed_by(world, 1), 0u);
  EXPECT_EQ(spoofed_by(world, 2), 2u);
}

TEST(Spoofing, APortOfWorkloadsSendsFromNowhereElse) {
  World world(with(""));
  world.send(0, tcp("192.0.2.7", 1000, kWeb, 80, "S"));
  EXPECT_EQ(world.count(Reason::spoofed_source), 1u) << "its route leads by another port";
  world.send(0, tcp("10.0.0.77", 1000, kWeb, 80, "S"));
  world.send(2, tcp("192.0.2.7", 1000, kWeb, 80, "S"));
  EXPECT_EQ(world.take(1).size(), 2u) << "from the port's own prefix, and by a port without workloads";
}

TEST(Spoofing, AFlowsPacketsComeFromItsEnds) {
  World world(with(""));
  connect(world, 1000);
  world.send(2, tcp(kClient, 1000, kWeb, 80, "A", 101, 501));
  world.send(2, tcp(kWeb, 80, kClient, 1000, "A", 501, 101));
  world.send(0, tcp(kWeb, 80, kClient, 1000, "A", 501, 101));
  EXPECT_EQ(world.count(Reason::spoofed_source), 3u);
  for (unsigned port = 0; port < 3; ++port) EXPECT_EQ(world.take(port), Texts());
}

TEST(Spoofing, AWorkloadThatMovesTakesItsFlowsAlong) {
  const auto client_behind = [](const std::string& port) {
    return R"([{"id":0,"name":"web","port":1,"addresses":["10.0.1.5"]},{"id":1,"name":"client","port":)" + port +
           R"(,"addresses":["10.0.0.2"]}])";
  };
  World::Options options = with("");
  options.workloads = client_behind("2");
  World world(options);
  world.send(2, tcp(kClient, 1000, kWeb, 80, "S", 100));
  world.send(1, tcp(kWeb, 80, kClient, 1000, "SA", 500, 101));
  world.send(2, tcp(kClient, 1000, kWeb, 80, "A", 101, 501));
  ASSERT_EQ(world.take(1).size(), 2u);
  world.apply_workloads(client_behind("0"));
  world.send(1, tcp(kWeb, 80, kClient, 1000, "A", 501, 101));
  for (int i = 0; i < 2; ++i) world.send(2, tcp(kClient, 1000, kWeb, 80, "A", 101, 501));
  EXPECT_EQ(world.count(Reason::spoofed_source), 2u) << "also once the flow has found its way under the new snapshot";
  EXPECT_EQ(world.take(1), Texts());
  world.send(0, tcp(kClient, 1000, kWeb, 80, "A", 101, 501));
  EXPECT_EQ(world.take(1).size(), 1u);
}

TEST(Spoofing, AnAddressThatNobodyHasAnyMoreAndNoRouteLeadsToComesByNoPort) {
  const std::string others = R"({"id":0,"name":"web","port":1,"addresses":["10.0.1.5"]},)"
                             R"({"id":1,"name":"client","port":0,"addresses":["10.0.0.2"]})";
  World::Options options = with("");
  options.routes = "[]";
  options.workloads = "[" + others + R"(,{"id":2,"name":"gone","port":0,"addresses":["10.7.0.2"]}])";
  World world(options);
  world.send(0, tcp("10.7.0.2", 1000, kWeb, 80, "S", 100));
  ASSERT_EQ(world.take(1).size(), 1u);
  world.apply_workloads("[" + others + "]");
  world.send(1, tcp(kWeb, 80, "10.7.0.2", 1000, "SA", 500, 101));
  EXPECT_EQ(world.count(Reason::no_route), 1u);
  world.send(0, tcp("10.7.0.2", 1000, kWeb, 80, "A", 101, 501));
  EXPECT_EQ(world.count(Reason::spoofed_source), 1u) << "also once an answer has taken the flow up";
}

/// Of the only flow: by its place, the policy that allows it.
uint32_t allowed_by(World& world) {
  const FlowTable& table = world.lane(0).flows().conntrack().table();
  for (FlowId id = 0; id < table.capacity(); ++id) {
    if (table.in_use(id)) return world.lane(0).flows().record(id).policy;
  }
  ADD_FAILURE() << "there is no flow";
  return 0;
}

TEST(FlowPolicy, AFlowIsShownWithThePolicyThatAllowsItAtPresent) {
  const std::string sends = rule("allow", "1", "[0]", "null", "egress");
  const std::string receives = rule("allow", "0", "[1]", tcp_port(8080));
  const std::string other = rule("deny", "0", "null", tcp_port(22));
  World::Options options = with(other + "," + sends + "," + receives);
  options.services = test::service_json({kWeb});
  World world(options);
  world.send(0, tcp(kClient, 1000, "10.9.9.9", 80, "S"));
  EXPECT_EQ(allowed_by(world), 2u) << "the receiver's first; it is the endpoint's port that counts";
  world.apply_policies(policies(sends + "," + other));
  EXPECT_EQ(allowed_by(world), 0u) << "the sender's";
  world.apply_policies(policies(other));
  EXPECT_EQ(allowed_by(world), FlowRecord::kNone) << "nothing is against it";
  world.apply_policies(policies(rule("deny", "0", "null")));
  EXPECT_EQ(allowed_by(world), FlowRecord::kNone) << "its next packet cuts it";
}

TEST(Spoofing, AlsoWhereAReplyWasMetInMidStream) {
  World::Options options = with("");
  options.services = test::service_json({kWeb});
  World world(options);
  world.send(1, tcp(kWeb, 8080, kClient, 1000, "A", 501, 101));
  EXPECT_EQ(world.take(0), Texts{"10.9.9.9:80>10.0.0.2:1000 tcp A ttl=63"});
  world.send(1, tcp(kClient, 1000, "10.9.9.9", 80, "A", 101, 501));
  EXPECT_EQ(world.count(Reason::spoofed_source), 1u) << "the flow is the client's, not the endpoint's";
  world.send(0, tcp(kClient, 1000, "10.9.9.9", 80, "A", 101, 501));
  EXPECT_EQ(world.take(1), Texts{"10.0.0.2:1000>10.0.1.5:8080 tcp A ttl=63"});
}

TEST(FlowPolicy, TheNodesReplyThatIsMetInMidStreamGoesToItsClient) {
  World::Options options;
  options.node = true;
  options.workloads = R"([{"id":0,"name":"web","port":2,"addresses":["10.5.0.1"]}])";
  options.routes = R"([{"to":"10.5.0.1/32","port":2}])";
  options.services = test::service_json({"10.5.0.1"});
  World world(options);
  world.send(2, tcp("10.5.0.1", 8080, "10.0.1.2", 1000, "A", 501, 101));
  EXPECT_EQ(world.take(2), Texts());
  EXPECT_EQ(world.take(1), Texts{"10.9.9.9:80>10.0.1.2:1000 tcp A ttl=63"});
}

}  // namespace
}  // namespace flatproxy
