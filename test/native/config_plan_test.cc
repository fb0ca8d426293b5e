#include "config/plan.h"

#include <gtest/gtest.h>

#include <string>

#include "support/plan_text.h"

namespace flatproxy {
namespace {

using test::endpoint;
using test::PlanText;
using test::service;
using wire::Address;

using ConfigPlan = test::PlanTest;

Address address(std::string_view text) { return *Address::parse(text); }
wire::Prefix prefix(std::string_view text) { return *wire::Prefix::parse(text); }

TEST_F(ConfigPlan, BuildsEverything) {
  PlanText plan;
  plan.set = service(3, "10.9.0.1", endpoint(7, "10.0.0.9", 8080, 5) + "," + endpoint(8, "fd00::9", 81, 0, true),
                     R"({"interval":5000,"timeout":1000,"healthy":2,"unhealthy":3,"jitter":0.25})");
  const auto snapshot = build(plan);
  EXPECT_EQ(snapshot->generation, 1u);
  ASSERT_EQ(snapshot->ports.size(), 3u);
  EXPECT_EQ(snapshot->ports[0].port->info().name, "a");
  EXPECT_EQ(snapshot->ports[1].port, nullptr);
  EXPECT_EQ(snapshot->ports[2].own, (std::vector{prefix("10.0.1.1/24"), prefix("fd00::1/64")}));
  const Route* route = snapshot->routes->lookup(address("8.8.8.8"));
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(route->via, address("10.0.1.254"));
  EXPECT_EQ(snapshot->workloads->at(0).addresses.at(0), address("10.0.0.9"));
  const Service* found = snapshot->service_table->find(address("10.9.0.1"), 80, 6);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found, snapshot->services.at(3).get());
  EXPECT_EQ(snapshot->service_table->find(address("10.9.0.1"), 81, 6), nullptr);
  EXPECT_EQ(snapshot->service_table->find(address("10.9.0.1"), 80, 17), nullptr);
  EXPECT_EQ(found->health_check->jitter, 0.25);
  EXPECT_EQ(found->endpoints[0], (Endpoint{7, address("10.0.0.9"), 8080, 5, false, "e"}));
  EXPECT_FALSE(found->picker(4).empty());
  EXPECT_TRUE(found->picker(6).empty());
  unsigned refs = snapshot->endpoint_table->for_each(address("fd00::9"), 81, 6, [&](EndpointTable::Ref ref) {
    EXPECT_EQ(ref.service, found);
    EXPECT_EQ(ref.endpoint, 1u);
  });
  EXPECT_EQ(refs, 1u);
  EXPECT_EQ(snapshot->flows.capacity, 1024u);
  EXPECT_EQ(snapshot->flows.timeouts.tcp_established, 3u);
  EXPECT_EQ(snapshot->flows.timeouts.fragment, 12u);
}

TEST_F(ConfigPlan, KnowsItsAddresses) {
  PlanText plan;
  plan.set = service(0, "10.9.0.1", "");
  const auto snapshot = build(plan);
  EXPECT_TRUE(snapshot->ours(address("10.9.0.1")));
  EXPECT_TRUE(snapshot->ours(address("10.0.1.1")));
  EXPECT_FALSE(snapshot->ours(address("10.0.1.2")));
  EXPECT_TRUE(snapshot->is_virtual(address("10.9.0.1")));
  EXPECT_FALSE(snapshot->is_virtual(address("10.0.1.1")));
  EXPECT_EQ(*snapshot->own(2, 6), address("fd00::1"));
  EXPECT_EQ(snapshot->own(0, 6), nullptr);
  EXPECT_EQ(snapshot->own(7, 4), nullptr);
  EXPECT_EQ(*snapshot->own_towards(2, address("10.0.1.77")), address("10.0.1.1"));
  EXPECT_EQ(*snapshot->own_towards(2, address("9.9.9.9")), address("10.0.1.1"));
}

TEST_F(ConfigPlan, SharesWhatDoesNotChange) {
  PlanText plan;
  plan.set = service(0, "10.9.0.1", endpoint(0, "10.0.0.9")) + "," + service(1, "10.9.0.2", endpoint(1, "10.0.0.9"));
  const auto first = build(plan);
  PlanText patch = PlanText::after(*first);
  patch.set = service(0, "10.9.0.1", endpoint(0, "10.0.0.9") + "," + endpoint(2, "10.0.0.10"));
  const auto second = build(patch, first.get());
  EXPECT_EQ(second->generation, 2u);
  EXPECT_EQ(open_, 2);
  EXPECT_EQ(second->ports[0].port, first->ports[0].port);
  EXPECT_EQ(second->routes, first->routes);
  EXPECT_EQ(second->workloads, first->workloads);
  EXPECT_EQ(second->own_addresses, first->own_addresses);
  EXPECT_EQ(second->services[1], first->services[1]);
  EXPECT_NE(second->services[0], first->services[0]);
  EXPECT_EQ(second->service_table->find(address("10.9.0.1"), 80, 6), second->services[0].get());
  EXPECT_EQ(second->service_table->find(address("10.9.0.2"), 80, 6), first->services[1].get());
  EXPECT_EQ(first->service_table->find(address("10.9.0.1"), 80, 6), first->services[0].get());
  EXPECT_EQ(second->endpoint_table->for_each(address("10.0.0.9"), 80, 6, [](EndpointTable::Ref) {}), 2u);

  const auto third = build(PlanText::after(*second), second.get());
  EXPECT_EQ(third->service_table, second->service_table);
  EXPECT_EQ(third->endpoint_table, second->endpoint_table);
}

TEST_F(ConfigPlan, AWholePlanKeepsWhatIsTheSame) {
  PlanText plan;
  plan.set = service(0, "10.9.0.1", endpoint(0, "10.0.0.9")) + "," + service(1, "10.9.0.2", endpoint(1, "10.0.0.9"));
  const auto first = build(plan);
  plan.generation = 2;
  plan.set = service(0, "10.9.0.1", endpoint(0, "10.0.0.9"));
  const auto second = build(plan, first.get());
  EXPECT_EQ(second->services.at(0), first->services[0]);
  EXPECT_EQ(second->services.size(), 1u);
  EXPECT_EQ(second->service_table->find(address("10.9.0.2"), 80, 6), nullptr);
  EXPECT_EQ(open_, 2);
}

TEST_F(ConfigPlan, RemovesServicesAndPassesOnTheirAddresses) {
  PlanText plan;
  plan.set = service(0, "10.9.0.1", endpoint(0, "10.0.0.9")) + "," + service(1, "10.9.0.2", endpoint(1, "10.0.0.9"));
  const auto first = build(plan);
  PlanText swap = PlanText::after(*first);
  swap.set = service(0, "10.9.0.2", endpoint(0, "10.0.0.9")) + "," + service(1, "10.9.0.1", endpoint(1, "10.0.0.9"));
  const auto second = build(swap, first.get());
  EXPECT_EQ(second->service_table->find(address("10.9.0.1"), 80, 6), second->services[1].get());
  PlanText removal = PlanText::after(*second);
  removal.removed = "1";
  const auto third = build(removal, second.get());
  EXPECT_EQ(third->services[1], nullptr);
  EXPECT_EQ(third->service_table->find(address("10.9.0.1"), 80, 6), nullptr);
  EXPECT_FALSE(third->ours(address("10.9.0.1")));
  EXPECT_TRUE(third->ours(address("10.9.0.2")));
  EXPECT_EQ(third->endpoint_table->for_each(address("10.0.0.9"), 80, 6, [](EndpointTable::Ref) {}), 1u);
}

TEST_F(ConfigPlan, TablesFollowAnyOrderOfChanges) {
  std::string all;
  for (unsigned i = 0; i < 300; ++i) {
    all += (i == 0 ? "" : ",") + service(i, "10.9." + std::to_string(i / 250) + "." + std::to_string(i % 250),
                                         endpoint(i, "10.0.0." + std::to_string(i % 7)));
  }
  PlanText plan;
  plan.set = all;
  auto snapshot = build(plan);
  for (unsigned step = 0; step < 60; ++step) {
    PlanText next = PlanText::after(*snapshot);
    for (unsigned i = step; i < 300; i += 60) next.removed += (i == step ? "" : ",") + std::to_string(i);
    snapshot = build(next, snapshot.get());
    unsigned left = 0;
    for (const auto& s : snapshot->services) {
      if (s == nullptr) continue;
      ++left;
      ASSERT_EQ(snapshot->service_table->find(s->addresses[0], 80, 6), s.get());
    }
    EXPECT_EQ(left, 300 - (step + 1) * 5);
  }
  EXPECT_TRUE(snapshot->service_table->empty());
}

TEST_F(ConfigPlan, PortsComeAndGo) {
  const auto first = build(PlanText());
  PlanText next = PlanText::after(*first);
  next.routes = R"([{"to":"10.0.0.0/24","port":0}])";
  next.ports = R"([{"id":0,"name":"a","own":["10.0.0.2/24"],"config":{"type":"memory"}},)"
               R"({"id":1,"name":"c","own":[],"config":{"type":"memory"}}])";
  auto second = build(next, first.get());
  EXPECT_EQ(second->ports.size(), 2u);
  EXPECT_TRUE(second->ours(address("10.0.0.2")));
  EXPECT_FALSE(second->ours(address("10.0.0.1")));
  EXPECT_TRUE(first->ours(address("10.0.0.1")));
  EXPECT_EQ(open_, 3);
}

TEST_F(ConfigPlan, PortsGoWithTheLastSnapshotThatHasThem) {
  auto first = build(PlanText());
  PlanText next = PlanText::after(*first);
  next.ports = R"([{"id":0,"name":"a","own":[],"config":{"type":"memory"}}])";
  next.routes = "[]";
  const auto second = build(next, first.get());
  EXPECT_EQ(open_, 2);
  first.reset();
  EXPECT_EQ(open_, 1);
}

TEST_F(ConfigPlan, AddressesThatAPortHasByItself) {
  found_ = {prefix("192.0.2.7/24"), prefix("fe80::7/64"), prefix("192.0.2.8/32")};
  PlanText plan;
  plan.ports = R"([{"id":0,"name":"a","own":null,"config":{"type":"iface"}}])";
  plan.routes = "[]";
  const auto first = build(plan);
  EXPECT_EQ(first->ports[0].own, found_);
  EXPECT_TRUE(first->ours(address("192.0.2.7")));
  ASSERT_EQ(first->routes->routes().size(), 1u);
  EXPECT_NE(first->routes->lookup(address("192.0.2.200")), nullptr);
  EXPECT_EQ(first->routes->lookup(address("fe80::1")), nullptr);
  PlanText next = PlanText::after(*first);
  next.ports = plan.ports;
  EXPECT_EQ(build(next, first.get())->ports[0].own, found_);
}

TEST_F(ConfigPlan, APortThatChangesIsRefused) {
  const auto first = build(PlanText());
  PlanText next = PlanText::after(*first);
  next.ports = R"([{"id":0,"name":"a","own":[],"config":{"type":"memory","size":2}},)"
               R"({"id":2,"name":"b","own":[],"config":{"type":"memory"}}])";
  EXPECT_EQ(refusal(next.text(), first.get(), "ERR_FLATPROXY_UNSUPPORTED"),
            "port 'a' cannot be changed while it is open");
  PlanText capacity = PlanText::after(*first);
  capacity.flows.replace(capacity.flows.find("1024"), 4, "2048");
  refusal(capacity.text(), first.get(), "ERR_FLATPROXY_UNSUPPORTED");
}

TEST_F(ConfigPlan, AFailedOpeningClosesTheOthers) {
  refused_ = "b";
  EXPECT_EQ(refusal(PlanText().text(), nullptr, "ERR_FLATPROXY_PORT"), "no such device");
  EXPECT_EQ(open_, 0);
}

TEST_F(ConfigPlan, ContradictionsAreRefused) {
  PlanText plan;
  plan.set = service(0, "10.9.0.1", endpoint(0, "10.0.0.9"));
  const auto first = build(plan);
  const auto refuse = [&](auto&& change) {
    PlanText next = PlanText::after(*first);
    change(next);
    return refusal(next.text(), first.get());
  };
  refuse([](PlanText& p) { p.base = "7"; });
  refuse([](PlanText& p) { p.base = "null"; });
  refuse([](PlanText& p) { p.removed = "1"; });
  refuse([](PlanText& p) { p.removed = "0,0"; });
  refuse([](PlanText& p) { p.removed = "0", p.set = service(0, "10.9.0.1", ""); });
  refuse([](PlanText& p) { p.set = service(1, "10.9.0.1", ""); });
  refuse([](PlanText& p) { p.set = service(1, "10.9.0.2", endpoint(5, "::1") + "," + endpoint(5, "::2")); });
  refuse([](PlanText& p) { p.ports = "[]"; });
  refuse([](PlanText& p) { p.workloads = R"([{"id":0,"name":"w","port":1,"addresses":[]}])"; });
  refuse([](PlanText& p) { p.routes = R"([{"to":"10.0.0.0/24","port":1}])"; });
  refuse([](PlanText& p) { p.ports.replace(p.ports.find("\"a\""), 3, "\"z\""); });
  refuse([](PlanText& p) { p.ports.replace(p.ports.find("\"id\":2"), 6, "\"id\":0"); });
  refusal(PlanText::after(*first).text(), nullptr);
}

TEST_F(ConfigPlan, PortsAreJoinedBothWaysOrNotAtAll) {
  const auto ports = [](const std::string& a, const std::string& b) {
    return R"([{"id":0,"name":"a","own":[],)" + a + R"("config":{"type":"memory"}},{"id":2,"name":"b","own":[],)" + b +
           R"("config":{"type":"memory"}}])";
  };
  PlanText plan;
  plan.routes = "[]";
  plan.ports = ports("\"peer\":2,", "\"peer\":0,");
  const auto first = build(plan);
  EXPECT_EQ(first->peer(0), 2);
  EXPECT_EQ(first->peer(2), 0);
  PlanText apart = PlanText::after(*first);
  apart.ports = ports("", "");
  EXPECT_EQ(build(apart, first.get())->peer(0), kNoPort);
  for (const auto& [a, b] : {std::pair{"\"peer\":2,", ""}, {"\"peer\":0,", ""}, {"\"peer\":1,", ""}}) {
    plan.ports = ports(a, b);
    EXPECT_NE(refusal(plan.text()).find("port 'a' is joined with a port that is not joined with it"),
              std::string::npos);
  }
}

TEST_F(ConfigPlan, FindsWhoIntercepts) {
  const auto listener = [](int id, const std::string& within, int port, const std::string& on) {
    return R"({"id":)" + std::to_string(id) + R"(,"name":"l)" + std::to_string(id) + R"(","addresses":[],"within":[)" +
           within + R"(],"port":)" + std::to_string(port) + R"(,"on":)" + on +
           R"(,"protocol":"tcp","http":null,"backends":[{"service":null,"weight":1}],"trusted":null,"relay":{"connectTimeout":1,"idleTimeout":1,)"
           R"("maxConnections":0,"maxConnectionsPerClient":0}})";
  };
  PlanText plan;
  plan.listeners = "[" + listener(0, R"("0.0.0.0/0","::/0")", 80, "null") + "," +
                   listener(1, R"("10.0.0.0/8")", 80, "null") + "," + listener(2, R"("10.0.0.0/9")", 80, "0") + "," +
                   listener(3, R"("fd00::/8","10.0.0.7/32")", 81, "null") + "]";
  const auto snapshot = build(plan);
  const auto found = [&](const char* to, uint16_t port, uint16_t on) {
    const Listener* who = snapshot->listeners->find_intercepting(address(to), port, on);
    return who == nullptr ? -1 : static_cast<int>(who->id);
  };
  EXPECT_EQ(found("192.0.2.1", 80, 2), 0);
  EXPECT_EQ(found("2001:db8::1", 80, 2), 0);
  EXPECT_EQ(found("10.1.2.3", 80, 2), 1);
  EXPECT_EQ(found("10.1.2.3", 80, 0), 2);
  EXPECT_EQ(found("10.200.2.3", 80, 0), 1);
  EXPECT_EQ(found("fd00::1", 81, 0), 3);
  EXPECT_EQ(found("10.0.0.7", 81, 0), 3);
  EXPECT_EQ(found("10.0.0.8", 81, 0), -1);
  EXPECT_EQ(found("10.0.0.7", 82, 0), -1);
  EXPECT_FALSE(snapshot->ours(address("10.0.0.7")));
  EXPECT_FALSE(snapshot->listeners->empty());
}

TEST_F(ConfigPlan, NamesThePlaceOfWhatIsNotInShape) {
  PlanText plan;
  plan.set = service(0, "10.9.0.1", endpoint(0, "10.0.0.9") + "," + endpoint(1, "10.0.0.300"));
  EXPECT_EQ(refusal(plan.text()),
            "the engine cannot read its plan: plan.services.set[0].endpoints[1].address should be an IP address");
}

TEST_F(ConfigPlan, EveryCutAndEveryWrongValueIsRefused) {
  PlanText plan;
  plan.set = service(3, "10.9.0.1", endpoint(7, "10.0.0.9"),
                     R"({"interval":5000,"timeout":1000,"healthy":2,"unhealthy":3,"jitter":0.25})");
  const std::string whole = plan.text();
  build_text(whole);
  for (size_t n = 0; n < whole.size(); ++n) refusal(whole.substr(0, n));
  // Each number, word and flag in turn becomes something of another kind.
  for (size_t at = whole.find(':'); at != std::string::npos; at = whole.find(':', at + 1)) {
    const char next = whole[at + 1];
    if (next == '{' || next == '[' || next == ':' || whole[at - 1] != '"') continue;
    const size_t end = next == '"' ? whole.find('"', at + 2) + 1 : whole.find_first_of(",}]", at);
    if (whole.compare(at - 6, 6, "\"type\"") == 0) continue;  // the port's own business
    refusal(whole.substr(0, at + 1) + (next == '"' ? "-1" : "\"?\"") + whole.substr(end));
    refusal(whole.substr(0, at + 1) + "{}" + whole.substr(end));
  }
  std::string more = whole;
  refusal(more.insert(1, "\"extra\":1,"));
  std::string flows = whole;
  refusal(flows.replace(flows.find("1024"), 4, std::to_string((1u << 22) + 1)));
  std::string deep = plan.text();
  const std::string nest(100'000, '[');
  refusal(deep.replace(deep.find("\"memory\""), 8, nest + std::string(100'000, ']')));
}

}  // namespace
}  // namespace flatproxy
