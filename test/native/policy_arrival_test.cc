// Policies that look at the port a flow comes by: flows, RoCEv2, connections that end here.
#include <gtest/gtest.h>

#include "support/listener_world.h"
#include "support/roce.h"
#include "wire/bytes.h"

namespace flatproxy::test {
namespace {

using Texts = std::vector<std::string>;

constexpr const char* kClient = "10.0.0.2";
constexpr const char* kWeb = "10.0.1.2";
constexpr const char* kFar = "192.0.2.7";

/// @param subject selector 0: web, 1: the client, 2: the listener  @param more members of the rule
std::string rule(const std::string& action, const std::string& on, const std::string& subject = "0",
                 const std::string& more = "") {
  return R"({"name":"p","direction":"ingress","subject":[)" + subject + R"(],"peer":null,"ports":null,"on":[)" + on +
         R"(],"action":")" + action + "\"" + more + "}";
}

std::string policies(const std::string& rules) {
  return R"({"default":"allow","selectors":[{"cidrs":["10.0.1.2"],"except":[]},{"cidrs":["10.0.0.2"],"except":[]},)"
         R"({"cidrs":["10.8.8.8"],"except":[]}],"rules":[)" +
         rules + "]}";
}

/// Web is behind port 1. Nobody is bound to a port, so that the client may send by any.
World::Options with(const std::string& rules) {
  World::Options o;
  o.ports = 3;
  o.routes = R"([{"to":"0.0.0.0/0","port":2,"via":"10.0.2.99"}])";
  o.policies = policies(rules);
  return o;
}

Frame tcp(const char* from, uint16_t source, const char* to, uint16_t port, const char* flags, uint32_t sequence = 1,
          uint32_t ack = 0) {
  return Frame().from(from, source).to(to, port).tcp(flags, sequence, ack);
}

/// Whether what comes by a port, sent to web, gets there.
bool arrives(World& world, unsigned port, const Frame& frame) {
  world.send(port, frame);
  return world.take(1).size() == 1;
}

TEST(PolicyArrival, IsThatOfAFlowsFirstPacket) {
  World world(with(rule("deny", "2")));
  EXPECT_TRUE(arrives(world, 0, tcp(kClient, 1000, kWeb, 80, "S", 100)));
  EXPECT_FALSE(arrives(world, 2, tcp(kClient, 1001, kWeb, 80, "S", 100)));
  EXPECT_FALSE(arrives(world, 2, Frame().from(kFar).to(kWeb).echo(true, 7)));
  EXPECT_EQ(world.count(Reason::policy_denied), 2u);
  world.send(1, tcp(kWeb, 80, kClient, 1000, "SA", 500, 101));
  EXPECT_EQ(world.take(0).size(), 1u);
  EXPECT_TRUE(arrives(world, 2, tcp(kClient, 1000, kWeb, 80, "A", 101, 501))) << "the flow came by another";
}

TEST(PolicyArrival, AllowIsolatesWhicheverPortFlowsComeBy) {
  World world(with(rule("allow", "0,1")));
  EXPECT_TRUE(arrives(world, 0, tcp(kClient, 1000, kWeb, 80, "S")));
  EXPECT_FALSE(arrives(world, 2, tcp(kFar, 1000, kWeb, 80, "S")));
  EXPECT_EQ(world.count(Reason::policy_default_deny), 1u);
}

TEST(PolicyArrival, OfFlowsToAServiceIsTheirClients) {
  World::Options options = with(rule("deny", "2"));
  options.services = service_json({kWeb});
  World world(options);
  EXPECT_TRUE(arrives(world, 0, tcp(kClient, 1000, "10.9.9.9", 80, "S")));
  EXPECT_FALSE(arrives(world, 2, tcp(kFar, 1000, "10.9.9.9", 80, "S")));
  EXPECT_EQ(world.count(Reason::policy_denied), 1u);
  // Answers that are met in mid-stream: their clients are behind the ports that lead to them.
  world.send(1, tcp(kWeb, 8080, kFar, 2000, "A", 501, 101));
  EXPECT_EQ(world.count(Reason::policy_denied), 2u);
  world.send(1, tcp(kWeb, 8080, kClient, 2000, "A", 501, 101));
  EXPECT_EQ(world.take(0).size(), 1u);
}

TEST(PolicyArrival, InMidStreamIsThatOfEitherEnd) {
  // It may be web that has opened it: as a flow to the client, by web's port.
  World world(with(rule("deny", "1", "1")));
  EXPECT_FALSE(arrives(world, 0, tcp(kClient, 1000, kWeb, 80, "A", 101, 501)));
  EXPECT_TRUE(arrives(world, 0, tcp(kClient, 1000, kWeb, 80, "S", 100)));
  world.apply_policies(policies(rule("deny", "0,2", "1")));
  EXPECT_TRUE(arrives(world, 0, tcp(kClient, 2000, kWeb, 80, "A", 101, 501)));
  world.apply_policies(policies(rule("deny", "0", "0")));
  EXPECT_FALSE(arrives(world, 0, tcp(kClient, 3000, kWeb, 80, "A", 101, 501)));
  EXPECT_TRUE(arrives(world, 2, tcp(kClient, 4000, kWeb, 80, "A", 101, 501)));
}

TEST(PolicyArrival, OfWhatMakesNoFlowIsEachPackets) {
  World world(with(rule("deny", "2")));
  const auto quoted = tcp(kWeb, 80, kFar, 1000, "A").packet();
  EXPECT_TRUE(arrives(world, 0, Frame().from(kFar).to(kWeb).icmp_error(3, 3, quoted)));
  EXPECT_FALSE(arrives(world, 2, Frame().from(kFar).to(kWeb).icmp_error(3, 3, quoted)));
  EXPECT_EQ(world.count(Reason::policy_denied), 1u);
}

TEST(PolicyArrival, AChangeCutsTheFlowsByThePortAndNoOthers) {
  World world(with(""));
  for (const unsigned port : {0u, 2u}) {
    ASSERT_TRUE(arrives(world, port, tcp(kClient, static_cast<uint16_t>(1000 + port), kWeb, 80, "S", 100)));
    ASSERT_TRUE(arrives(world, port, Frame().from(kClient, static_cast<uint16_t>(3000 + port)).to(kWeb, 53).udp()));
  }
  world.apply_policies(policies(rule("deny", "1")));
  world.run(10'000'000);
  EXPECT_EQ(world.flows(), 4u);
  world.apply_policies(policies(rule("deny", "1,2")));
  world.send(1, tcp(kWeb, 80, kClient, 1002, "SA", 500, 101));
  EXPECT_EQ(world.take(0), Texts()) << "by the next packet, whichever way it goes";
  world.send(1, tcp(kWeb, 80, kClient, 1000, "SA", 500, 101));
  EXPECT_EQ(world.take(0).size(), 1u);
  world.run(10'000'000);
  EXPECT_EQ(world.flows(), 2u) << "or by the sweep";
}

std::string client_behind(unsigned port) {
  return R"([{"id":0,"name":"client","port":)" + std::to_string(port) + R"(,"addresses":["10.0.0.2"]}])";
}

TEST(PolicyArrival, IsWhereTheClientIsNow) {
  World::Options options = with(rule("deny", "0"));
  options.workloads = client_behind(2);
  World world(options);
  ASSERT_TRUE(arrives(world, 2, tcp(kClient, 1000, kWeb, 80, "S", 100)));
  ASSERT_TRUE(arrives(world, 2, Frame().from(kClient, 1000).to(kWeb, 53).udp()));
  world.apply_workloads(client_behind(0));
  EXPECT_FALSE(arrives(world, 0, tcp(kClient, 1000, kWeb, 80, "S", 100)));
  EXPECT_EQ(world.count(Reason::policy_denied), 1u);
  world.apply_policies(policies(rule("deny", "0") + "," + rule("deny", "1")));
  world.run(10'000'000);
  EXPECT_EQ(world.flows(), 0u) << "a sweep knows that as well";
}

TEST(PolicyArrival, OfTheNodesOwnStackIsHost) {
  for (const auto& [on, passes] : {std::pair("2", false), std::pair("0", true)}) {
    World::Options options = with(rule("deny", on));
    options.ports = 2;
    options.routes = "[]";
    options.node = true;
    World world(options);
    EXPECT_EQ(arrives(world, 2, tcp("10.0.0.1", 1000, kWeb, 80, "S")), passes);
    EXPECT_EQ(arrives(world, 0, tcp(kClient, 1000, kWeb, 80, "S")), !passes);
  }
}

TEST(PolicyArrival, IsLookedAtByWhatGoesOn) {
  const auto limit = R"(,"counter":1,"limit":{"of":"flows","rate":1,"interval":3600000,"burst":1})";
  const auto mirror = R"(,"counter":2,"mirror":{"port":2,"snapLength":null})";
  World world(with(rule("log", "0", "0", R"(,"counter":0)") + "," + rule("limit", "0", "0", limit) + "," +
                   rule("mirror", "0", "0", mirror)));
  const auto met = [&](uint32_t counter) { return world.lane(0).counters().policies.at(counter).flows.read(); };
  const auto ask = [&](unsigned port, uint16_t from) {
    return arrives(world, port, Frame().from(kClient, from).to(kWeb, 53).udp());
  };
  for (uint16_t i = 0; i < 3; ++i) EXPECT_TRUE(ask(2, i)) << "none is about what comes by it";
  EXPECT_TRUE(world.take(2).empty());
  for (uint32_t counter = 0; counter < 3; ++counter) EXPECT_EQ(met(counter), 0u);
  EXPECT_TRUE(ask(0, 10));
  EXPECT_EQ(world.take(2).size(), 1u);
  EXPECT_FALSE(ask(0, 11)) << "the limit's one flow is there";
  EXPECT_EQ(world.count(Reason::rate_limited), 1u);
  EXPECT_EQ(met(0), 2u);
  // Flows that run are met anew.
  world.apply_policies(policies(rule("log", "2", "0", R"(,"counter":3)")));
  world.run(10'000'000);
  EXPECT_EQ(met(3), 3u);
}

TEST(PolicyArrival, OfRoceIsItsFlowsToo) {
  namespace opcode = roce_opcode;
  World::Options options = with(rule("deny", "2"));
  options.flows = R"("track":"all",)";
  World world(options);
  const auto packet = [](uint32_t qp, uint32_t number) {
    return roce_frame(kClient, kWeb, roce_payload(opcode::kSendOnly, qp, number));
  };
  EXPECT_TRUE(arrives(world, 0, packet(5, 1)));
  EXPECT_FALSE(arrives(world, 2, packet(6, 1)));
  EXPECT_TRUE(arrives(world, 2, packet(5, 2))) << "the flow came by another";
  world.apply_policies(policies(rule("deny", "0")));
  EXPECT_FALSE(arrives(world, 0, packet(5, 3)));
  EXPECT_TRUE(arrives(world, 2, packet(6, 2)));
  EXPECT_EQ(world.lane(0).roce().table().size(), 1u);
  const auto log = rule("log", "2", "0", R"(,"counter":3)");
  world.apply_policies(policies(log));
  EXPECT_TRUE(arrives(world, 0, packet(6, 3)));
  EXPECT_EQ(world.lane(0).counters().policies.at(3).flows.read(), 1u);
}

TEST(PolicyArrival, OfRoceIsWhereItsSenderIsNow) {
  World::Options options = with(rule("deny", "0"));
  options.flows = R"("track":"all",)";
  options.workloads = client_behind(2);
  World world(options);
  const Frame packet = roce_frame(kClient, kWeb, roce_payload(roce_opcode::kSendOnly, 5, 1));
  ASSERT_TRUE(arrives(world, 2, packet));
  world.apply_workloads(client_behind(0));
  EXPECT_FALSE(arrives(world, 0, packet));
  EXPECT_EQ(world.count(Reason::policy_denied), 1u);
  EXPECT_EQ(world.lane(0).roce().table().size(), 0u);
}

/// The client is behind port 0.
struct PolicyArrivalRelayed : ListenerWorld {
  void expect_relayed(bool relayed) {
    const size_t before = server->open.size();
    open();
    EXPECT_EQ(server->open.size() - before, relayed ? 1u : 0u);
  }
};

TEST_F(PolicyArrivalRelayed, IsLookedAtWhenTheSynComes) {
  make({.policies = policies(rule("deny", "1", "2"))});
  expect_relayed(true);
  world->apply_policies(policies(rule("reject", "0", "2")));
  run();
  EXPECT_EQ(counters().active.read(), 0u) << "what runs is cut";
  expect_relayed(false);
  EXPECT_EQ(world->count(Reason::policy_rejected), 1u);
}

TEST_F(PolicyArrivalRelayed, IsLookedAtWhenThereIsAnEndpoint) {
  make({.policies = policies(rule("deny", "0", "0"))});
  expect_relayed(false);
  EXPECT_EQ(counters().denied.read(), 1u);
  world->apply_policies(policies(rule("deny", "1", "0")));
  expect_relayed(true);
  world->apply_policies(policies(rule("allow", "1", "0")));
  run();
  EXPECT_EQ(counters().active.read(), 0u);
  EXPECT_EQ(counters().denied.read(), 2u);
}

TEST_F(PolicyArrivalRelayed, IsThatOfTheConnectionsFirstFrame) {
  make({.ports = 3, .policies = policies(rule("deny", "2", "2") + "," + rule("deny", "2", "0"))});
  world->shared().want_events = true;
  world->send(0, tcp(kClient, 5000, "10.8.8.8", 9000, "S", 100));
  const std::vector<Segment*> answer = world->take_frames(0);
  ASSERT_EQ(answer.size(), 1u);
  const uint32_t sequence = wire::load32(answer[0]->data + 38);
  world->send(2, tcp(kClient, 5000, "10.8.8.8", 9000, "A", 101, sequence + 1));
  run();
  EXPECT_EQ(server->open.size(), 1u);
  EXPECT_EQ(counters().denied.read(), 0u);
  FlowEvent event;
  ASSERT_TRUE(world->lane(0).flows().events().pop(event));
  EXPECT_EQ(event.flow.ingress, 0u);
}

TEST_F(PolicyArrivalRelayed, IsKnownWhereACookieHasKeptTheHandshake) {
  make({.policies = policies(rule("allow", "0", "2"))});
  open();  // neighbours are known then
  const auto cookies = [&] { return world->lane(0).tcp().stack().counters().cookies_taken.read(); };
  for (uint16_t from = 1; from < 3000; ++from) world->send(0, tcp("10.0.0.3", from, "10.8.8.8", 9000, "S", 100));
  const auto before = cookies();
  expect_relayed(true);
  EXPECT_EQ(cookies(), before + 1);
}

TEST_F(PolicyArrivalRelayed, IsWhereTheClientIsNow) {
  make({.ports = 3, .workloads = client_behind(0), .policies = policies(rule("deny", "2", "0"))});
  expect_relayed(true);
  world->apply_workloads(client_behind(2));
  run();
  EXPECT_EQ(counters().active.read(), 0u);
  EXPECT_EQ(counters().denied.read(), 1u);
}

TEST_F(PolicyArrivalRelayed, IsLookedAtByWhatLogs) {
  const auto log = [](const char* on, const char* subject, const char* counter) {
    return rule("log", on, subject, std::string(R"(,"counter":)") + counter);
  };
  make({.policies = policies(log("0", "2", "0") + "," + log("1", "2", "1") + "," + log("0", "0", "2") + "," +
                             log("1", "0", "3"))});
  expect_relayed(true);
  const auto met = [&](uint32_t counter) { return world->lane(0).counters().policies.at(counter).flows.read(); };
  EXPECT_EQ((std::vector<uint64_t>{met(0), met(1), met(2), met(3)}), (std::vector<uint64_t>{1, 0, 1, 0}));
}

TEST_F(PolicyArrivalRelayed, OfARequestIsItsClients) {
  std::string http = listener_json("10.8.8.8", 9000);
  const auto replace = [&http](const std::string& a, const std::string& b) { http.replace(http.find(a), a.size(), b); };
  replace(R"("protocol":"tcp","http":null)",
          R"("protocol":"http","http":{"maxHeaderBytes":1000,"maxHeaders":99,"maxUriBytes":2000,"maxRequests":0,)"
          R"("headerTimeout":10000,"bodyTimeout":10000,"idleTimeout":10000,"tunnelTimeout":10000,"via":"",)"
          R"("forwarded":"none","trustedForwarded":[],"dotSegments":"reject","encodedSlashes":"decode",)"
          R"("doubleSlashes":"merge","trace":"pass"})");
  replace(R"([{"service":0,"weight":1}])", "[]");
  const std::string route =
      R"([{"id":0,"name":"r","listeners":[{"id":0,"hostname":null}],"hostnames":[],"rules":[{"matches":[{"path":)"
      R"({"type":"PathPrefix","value":"/"},"method":null,"headers":[],"queryParams":[]}],"filters":[],"backends":)"
      R"([{"service":0,"weight":1,"filters":[]}],"timeouts":{"request":0,"backendRequest":0},"retry":null}]}])";
  make({.listeners = http, .http_routes = route, .policies = policies(rule("deny", "1", "2,0"))});
  tcp::Connection* c = open();
  const auto ask = [&] {
    client->send(*c, "GET / HTTP/1.1\r\nHost: shop\r\n\r\n");
    run();
  };
  ask();
  ASSERT_EQ(server->open.size(), 1u) << "it has come by another port";
  server->send(*server->open[0], "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  run();
  EXPECT_EQ(client->read(*c).substr(0, 12), "HTTP/1.1 200");
  world->apply_policies(policies(rule("deny", "0", "0")));
  run();
  ask();
  EXPECT_EQ(client->read(*c).substr(0, 12), "HTTP/1.1 403");
  world->apply_policies(policies(rule("deny", "0", "2")));
  run();
  EXPECT_EQ(client->ends, std::vector{tcp::End::reset}) << "between requests, too";
}

}  // namespace
}  // namespace flatproxy::test
