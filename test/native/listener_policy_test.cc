// What policies do to connections that end at a listener: the client is behind port a, the server behind port b.
#include <gtest/gtest.h>

#include "support/listener_world.h"
#include "wire/bytes.h"

namespace flatproxy::test {
namespace {

using tcp::Connection;
using Texts = std::vector<std::string>;

std::string rule(const std::string& action, const std::string& direction, const std::string& subject,
                 const std::string& peer = "null", const std::string& ports = "null") {
  return R"({"name":"p","direction":")" + direction + R"(","subject":)" + subject + R"(,"peer":)" + peer +
         R"(,"ports":)" + ports + R"(,"action":")" + action + R"("})";
}

/// Selectors 0: the client, 1: the listener, 2: the endpoint.
std::string policies(const std::string& rules, const std::string& more = "") {
  return R"({"default":"allow",)" + more + R"("selectors":[{"cidrs":["10.0.0.2"],"except":[]},)" +
         R"({"cidrs":["10.8.8.8"],"except":[]},{"cidrs":["10.0.1.2"],"except":[]}],"rules":[)" + rules + "]}";
}

std::string tcp_port(unsigned port) {
  const std::string number = std::to_string(port);
  return R"([{"protocol":6,"first":)" + number + R"(,"last":)" + number + "}]";
}

struct ListenerPolicyTest : ListenerWorld {
  Frame syn(uint16_t port = 9000) { return Frame().from("10.0.0.2", 5000).to("10.8.8.8", port).tcp("S", 100); }
  /// Sends a SYN, and tells what comes back.
  Texts knock() {
    world->send(0, syn());
    return world->take(0);
  }
  void open_many(int count) {
    open();  // neighbours are known then
    for (int i = 1; i < count; ++i) client->connect("10.8.8.8", 9000, next_port++);
    client->stack().flush();
    run();
    ASSERT_EQ(counters().active.read(), static_cast<uint64_t>(count));
  }
};

TEST_F(ListenerPolicyTest, ADenialIsSilentAndARejectionIsTold) {
  make({.policies = policies(rule("deny", "egress", "[0]", "[1]"))});
  world->shared().want_events = true;
  EXPECT_EQ(knock(), Texts());
  EXPECT_EQ(world->count(Reason::policy_denied), 1u);
  FlowEvent event;
  ASSERT_TRUE(world->lane(0).flows().events().pop(event)) << "it is noted as flows are";
  EXPECT_EQ(event.kind, FlowEventKind::denied);
  EXPECT_EQ(event.flow.reason, Reason::policy_denied);
  EXPECT_EQ(event.flow.policy, 0u);
  world->apply_policies(policies(rule("reject", "ingress", "[1]", "[0]", tcp_port(9000))));
  EXPECT_EQ(knock(), Texts{"10.8.8.8:9000>10.0.0.2:5000 tcp RA ttl=64"});
  EXPECT_EQ(world->count(Reason::policy_rejected), 1u);
  EXPECT_EQ(world->lane(0).tcp().stack().connections(), 0u);
  world->apply_policies(policies(rule("reject", "ingress", "[1]", "[0]", tcp_port(9001))));
  EXPECT_EQ(knock(), Texts{"10.8.8.8:9000>10.0.0.2:5000 tcp SA ttl=63"});
  EXPECT_EQ(counters().denied.read(), 0u) << "it has counted among packets";
}

TEST_F(ListenerPolicyTest, AConnectionIsToldOnceItHasItsEndpointByThoseOfEither) {
  const auto log = [](const char* counter, const char* subject, const char* peer) {
    std::string text = rule("log", "ingress", subject, peer);
    return text.insert(text.size() - 1, std::string(R"(,"counter":)") + counter);
  };
  make({.policies = policies(log("0", "[1]", "[0]") + "," + log("1", "[2]", "[1]") + "," + log("2", "[2]", "[0]"))});
  world->shared().want_events = true;
  knock();
  open();
  std::vector<uint32_t> told;
  FlowEvent event;
  while (world->lane(0).flows().events().pop(event)) {
    if (event.kind != FlowEventKind::logged) continue;
    told.push_back(event.log);
    EXPECT_EQ(event.flow.reason, Reason::tcp_terminated);
    EXPECT_TRUE(event.flow.translated);
  }
  EXPECT_EQ(told, (std::vector<uint32_t>{0, 2})) << "a SYN alone opens nothing";
}

TEST_F(ListenerPolicyTest, WhatIsInterceptedIsJudgedByWhomItIsFor) {
  const std::string within = intercept_json("10.0.1.0/24", 8080);
  make({.listeners = within, .policies = policies(rule("deny", "ingress", "[2]", "[0]", tcp_port(8080)))});
  world->send(0, Frame().from("10.0.0.2", 5000).to("10.0.1.2", 8080).tcp("S"));
  EXPECT_EQ(world->count(Reason::policy_denied), 1u);
  EXPECT_EQ(world->take(1), Texts()) << "nor does it pass on";
  EXPECT_EQ(world->lane(0).tcp().stack().connections(), 0u);
  EXPECT_EQ(world->flows(), 0u);
}

TEST_F(ListenerPolicyTest, TheClientMustBeLetInByTheEndpointToo) {
  make({.policies = policies(rule("deny", "ingress", "[2]", "[0]", tcp_port(8080)))});
  world->shared().want_events = true;
  open();
  ASSERT_EQ(client->ends.size(), 1u);
  EXPECT_EQ(client->ends[0], tcp::End::reset);
  EXPECT_TRUE(server->open.empty());
  EXPECT_EQ(counters().denied.read(), 1u);
  EXPECT_EQ(world->count(Reason::policy_denied), 0u);
  FlowEvent event;
  ASSERT_TRUE(world->lane(0).flows().events().pop(event));
  EXPECT_EQ(event.kind, FlowEventKind::denied);
  EXPECT_EQ(event.flow.reason, Reason::policy_denied);
  EXPECT_EQ(event.flow.policy, 0u);
  EXPECT_EQ(event.flow.original.source.to_string(), "10.0.0.2");
  EXPECT_EQ(event.flow.original.destination.to_string(), "10.8.8.8");
  EXPECT_EQ(event.flow.nat_address.to_string(), "10.0.1.2");
  EXPECT_EQ(event.flow.nat_port, 8080);
  EXPECT_EQ(event.flow.ingress, 0u);
  EXPECT_FALSE(world->lane(0).flows().events().pop(event));
  expect_nothing_left();
}

TEST_F(ListenerPolicyTest, AHandshakeThatWasAllowedOpensNothingThatIsNotAnyMore) {
  make();
  world->send(0, syn());
  const std::vector<Segment*> answer = world->take_frames(0);
  ASSERT_EQ(answer.size(), 1u);
  const uint32_t sequence = wire::load32(answer[0]->data + 38);
  world->apply_policies(policies(rule("deny", "ingress", "[1]", "[0]")));
  world->send(0, Frame().from("10.0.0.2", 5000).to("10.8.8.8", 9000).tcp("A", 101, sequence + 1));
  EXPECT_EQ(world->take(1), Texts());
  EXPECT_EQ(counters().denied.read(), 1u);
  EXPECT_EQ(counters().active.read(), 0u);
}

TEST_F(ListenerPolicyTest, AChangeCutsWhatItDeniesOnBothSides) {
  for (const std::string& denial : {rule("deny", "ingress", "[1]", "[0]"), rule("reject", "ingress", "[2]", "[0]")}) {
    make();
    open();
    ASSERT_EQ(server->open.size(), 1u);
    world->apply_policies(policies(rule("deny", "ingress", "[1]", "[2]")));
    run();
    EXPECT_EQ(counters().active.read(), 1u) << "it is about others";
    world->apply_policies(policies(denial));
    run();
    ASSERT_EQ(client->ends.size(), 1u);
    ASSERT_EQ(server->ends.size(), 1u);
    EXPECT_EQ(client->ends[0], tcp::End::reset);
    EXPECT_EQ(server->ends[0], tcp::End::reset);
    EXPECT_EQ(counters().denied.read(), 1u);
    EXPECT_FALSE(world->lane(0).tcp().sweeping());
    expect_nothing_left();
    client.reset();
    server.reset();
  }
}

TEST_F(ListenerPolicyTest, OrKeepsWhatRunsAndRefusesWhatIsNew) {
  make();
  Connection* c = open();
  ASSERT_EQ(server->open.size(), 1u);
  world->apply_policies(policies(rule("reject", "ingress", "[1]", "[0]"), R"("onDeny":"keep",)"));
  run();
  client->send(*c, "question");
  run();
  EXPECT_EQ(server->read(*server->open[0]), "question");
  EXPECT_EQ(knock(), Texts{"10.8.8.8:9000>10.0.0.2:5000 tcp RA ttl=64"});
  world->apply_policies(policies(rule("reject", "ingress", "[1]", "[0]"), R"("onDeny":"cut",)"));
  run();
  EXPECT_EQ(client->ends.size(), 1u);
}

TEST(Sweep, GoesOverAllOnceInSlicesThatTakeTheSameTime) {
  Sweep sweep(8);
  const auto looks = [&sweep](uint32_t limit, bool ends) {
    uint32_t count = 0;
    sweep.go_on(limit, [&](uint32_t) { return ++count, ends; });
    return count;
  };
  EXPECT_EQ(looks(1000, false), 0u) << "it was not started";
  sweep.start_if(true);
  EXPECT_EQ(looks(300, false), 256u);
  EXPECT_EQ(looks(300, true), 32u);
  EXPECT_TRUE(sweep.running());
  EXPECT_EQ(looks(300, true), 12u);
  EXPECT_FALSE(sweep.running());
  sweep.start_if(true);
  EXPECT_EQ(looks(10, true), 10u) << "from the beginning";
  sweep.start_if(true);
  sweep.start_if(false);
  EXPECT_FALSE(sweep.running());
}

TEST_F(ListenerPolicyTest, ManyAreCutSliceBySlice) {
  make();
  open_many(200);
  world->apply_policies(policies(rule("deny", "ingress", "[1]", "[0]")));
  world->run(kMillisecond);
  EXPECT_GE(counters().active.read(), 100u) << "a tick is short";
  EXPECT_LT(counters().active.read(), 200u);
  EXPECT_LE(world->lane(0).next_deadline(world->now()), world->now() + kMillisecond) << "the next one is not far";
  run(10 * kMillisecond);
  EXPECT_EQ(counters().active.read(), 0u);
  EXPECT_EQ(counters().denied.read(), 200u);
}

TEST_F(ListenerPolicyTest, SoAreClientsThatSendRequests) {
  std::string http = listener_json("10.8.8.8", 9000);
  const auto replace = [&http](const std::string& a, const std::string& b) { http.replace(http.find(a), a.size(), b); };
  replace(R"("protocol":"tcp","http":null)",
          R"("protocol":"http","http":{"maxHeaderBytes":1000,"maxHeaders":99,"maxUriBytes":2000,"maxRequests":0,)"
          R"("headerTimeout":10000,"bodyTimeout":10000,"idleTimeout":10000,"tunnelTimeout":10000,"via":"",)"
          R"("forwarded":"none","trustedForwarded":[],"dotSegments":"reject","encodedSlashes":"decode",)"
          R"("doubleSlashes":"merge","trace":"pass"})");
  replace(R"([{"service":0,"weight":1}])", "[]");
  make({.listeners = http});
  open();
  ASSERT_EQ(counters().active.read(), 1u);
  world->apply_policies(policies(rule("deny", "egress", "[0]", "[1]")));
  run();
  ASSERT_EQ(client->ends.size(), 1u);
  EXPECT_EQ(client->ends[0], tcp::End::reset);
  EXPECT_EQ(counters().denied.read(), 1u);
  expect_nothing_left();
}

}  // namespace
}  // namespace flatproxy::test
