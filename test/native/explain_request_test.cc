// What is explained of a request is what a real one gets.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "exchange/exchange_record.h"
#include "support/ask.h"
#include "support/listener_world.h"
#include "support/plan_text.h"
#include "support/random_mesh.h"

namespace flatproxy {
namespace {

using test::ask;
using test::endpoint;
using test::step_of;

constexpr const char* kHttp =
    R"({"maxHeaderBytes":1000,"maxHeaders":99,"maxUriBytes":2000,"maxRequests":0,"headerTimeout":5000,)"
    R"("bodyTimeout":5000,"idleTimeout":6000,"tunnelTimeout":7000,"via":"edge","forwarded":"none",)"
    R"("trustedForwarded":[],"dotSegments":"normalize","encodedSlashes":"keep","doubleSlashes":"keep","trace":"pass"})";

/// Services, routes and policies out of few names, so that requests meet much of them.
class ExplainRequest : public test::ListenerWorld {
 protected:
  void make_random(uint32_t seed);
  void compare_one();

  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  template <typename T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<uint32_t>(values.size()))];
  }
  std::string services();
  std::string routes();
  std::string match();
  std::string request();

  std::mt19937 random_;
  std::map<std::string, unsigned> seen_;
};

std::string ExplainRequest::services() {
  std::string list;
  for (unsigned id = 0, next = 0; id < 4; ++id) {
    std::string endpoints;
    for (unsigned i = 0; i < (id == 3 ? 0 : 3); ++i, ++next)
      endpoints += (i == 0 ? "" : ",") + endpoint(next, "10.0.1.2", 8080 + next, below(3), below(5) == 0);
    std::string service = test::service(id, "10.9.0." + std::to_string(id), endpoints);
    const auto replace = [&](const std::string& a, const std::string& b) {
      service.replace(service.find(a), a.size(), b);
    };
    replace("maglev", one_of<const char*>({"maglev", "ringHash", "roundRobin", "leastRequest"}));
    if (below(3) == 0) replace(R"("affinity":"none")", R"("affinity":"source")");
    if (below(3) == 0) replace(R"("hash":null)", R"("hash":{"by":"header","name":"x-user"})");
    list += (id == 0 ? "" : ",") + service;
  }
  return "[" + list + "]";
}

std::string ExplainRequest::match() {
  const auto quoted = [](const std::string& text) { return text == "null" ? text : "\"" + text + "\""; };
  const std::string kind = one_of<const char*>({"PathPrefix", "PathPrefix", "Exact", "RegularExpression"});
  const std::string path = kind == "RegularExpression" ? "/[ab]+" : one_of<const char*>({"/", "/a", "/a/b", "/c"});
  const std::string header = below(3) == 0 ? R"({"name":"x-user","value":"1","regex":false})" : "";
  return R"({"path":{"type":")" + kind + R"(","value":")" + path + R"("},"method":)" +
         quoted(one_of<const char*>({"null", "null", "GET", "POST"})) + R"(,"headers":[)" + header +
         R"(],"queryParams":[]})";
}

std::string ExplainRequest::routes() {
  std::string list;
  for (unsigned id = 0; id < 3; ++id) {
    std::string rules;
    for (unsigned i = below(3); i < 3; ++i) {
      std::string backends;
      for (unsigned n = below(4); n > 0; --n)
        backends += std::string(backends.empty() ? "" : ",") + R"({"service":)" + std::to_string(below(4)) +
                    R"(,"weight":)" + std::to_string(below(4)) + R"(,"filters":[]})";
      rules += std::string(rules.empty() ? "" : ",") + R"({"matches":[)" + match() + "," + match() +
               R"(],"filters":[],"backends":[)" + backends +
               R"(],"timeouts":{"request":0,"backendRequest":0},"retry":null})";
    }
    list += std::string(id == 0 ? "" : ",") + R"({"id":)" + std::to_string(id) + R"(,"name":"r)" + std::to_string(id) +
            R"(","listeners":[{"id":0,"hostname":null}],"hostnames":[)" +
            one_of<const char*>({"", R"("shop.example")", R"("*.example")"}) + R"(],"rules":[)" + rules + "]}";
  }
  return "[" + list + "]";
}

void ExplainRequest::make_random(uint32_t seed) {
  random_.seed(seed);
  test::World::Options options;
  options.services = services();
  options.http_routes = routes();
  options.listeners = test::listener_json("10.8.8.8", 9000);
  const auto replace = [&](const std::string& a, const std::string& b) {
    options.listeners.replace(options.listeners.find(a), a.size(), b);
  };
  if (below(5) != 0) {
    replace(R"("protocol":"tcp","http":null)", std::string(R"("protocol":"http","http":)") + kHttp);
    replace(R"([{"service":0,"weight":1}])", "[]");
  } else {
    options.http_routes = "[]";
    replace(R"([{"service":0,"weight":1}])", R"([{"service":0,"weight":1},{"service":1,"weight":2}])");
  }
  if (below(2) == 0)
    options.policies =
        R"({"default":"allow","selectors":[{"cidrs":["10.0.1.2"],"except":[]}],"rules":[{"name":"p","direction":)"
        R"("ingress","subject":[0],"peer":null,"ports":[{"protocol":6,"first":8081,"last":8084}],"action":"deny"}]})";
  make(options);
  world->shared().want_exchanges = true;
}

std::string ExplainRequest::request() {
  return std::string(one_of<const char*>({"GET", "GET", "POST", "PUT"})) + " " +
         one_of<const char*>({"/", "/a", "/a/b", "/a/../c", "/ab", "/%61?x=1", "/c/d", "bad"}) +
         " HTTP/1.1\r\nhost: " + one_of<const char*>({"shop.example", "SHOP.example:80", "a.example", "other"}) +
         "\r\n" + one_of<const char*>({"", "x-user: 1\r\n", "x-user: 2\r\n"}) + "content-length: 0\r\n\r\n";
}

void ExplainRequest::compare_one() {
  const std::string text = request();
  FirstPacket packet;
  packet.port = 0;
  packet.tuple = {*wire::Address::parse("10.0.0.2"), *wire::Address::parse("10.8.8.8"), next_port, 9000, 6, 4};
  packet.request = std::make_shared<const std::string>(text);
  const Explanation said = ask(*world, 1, packet);
  ASSERT_EQ(said.endpoint, ask(*world, 1, packet).endpoint) << "asking changes nothing";
  std::string steps;
  for (const ExplainStep& step : said.steps)
    steps.append(name(step.step)).append(" ").append(std::to_string(step.id)).append(" ").append(step.at).append("; ");
  SCOPED_TRACE(text + steps);
  const bool http = world->snapshot().listeners->at(0)->http;
  const uint64_t denied = counters().denied.read();
  tcp::Connection* c = open();
  if (!http) {
    const bool denied_it = info(said.reason).verdict == Verdict::drop;
    EXPECT_EQ(counters().denied.read() - denied, denied_it ? 1u : 0u);
    // The server listens on one of the ports alone.
    EXPECT_EQ(!server->open.empty(), said.endpoint == 0 && !denied_it);
    ++seen_["tcp " + std::string(info(said.reason).name)];
    if (c->state != tcp::State::closed) client->abort(*c);
    run();
    return;
  }
  client->send(*c, text);
  run(test::kSecond);
  for (tcp::Connection* taken : server->open) server->abort(*taken);
  run();
  unsigned records = 0;
  while (world->lane(0).tcp().exchanges().pop([&](const ExchangeRecord& record) {
    ++records;
    const ExplainStep* route = step_of(said, Step::request_route);
    EXPECT_EQ(record.text(ExchangeText::route), route != nullptr ? route->at : "");
    if (route != nullptr) {
      EXPECT_TRUE(route->via.starts_with("path ")) << "one of its matches is met alone";
    }
    if (step_of(said, Step::request_malformed)) {
      EXPECT_EQ(record.outcome, http::Outcome::bad_request);
    } else if (step_of(said, Step::request_unrouted)) {
      EXPECT_EQ(record.outcome, http::Outcome::no_route);
    } else if (step_of(said, Step::no_backend)) {
      EXPECT_EQ(record.outcome, http::Outcome::no_backend);
    } else if (step_of(said, Step::answered_503)) {
      EXPECT_EQ(record.outcome, http::Outcome::no_endpoint);
    } else if (step_of(said, Step::answered_403)) {
      EXPECT_EQ(record.outcome, http::Outcome::policy_denied);
      EXPECT_EQ(record.status, 403);
    } else {
      EXPECT_EQ(record.text(ExchangeText::service), world->snapshot().services[said.service]->name);
      EXPECT_EQ(record.endpoint_port, 8080 + said.endpoint);
    }
    ++seen_[http::name_of(record.outcome)];
  })) {
  }
  EXPECT_EQ(records, 1u);
  client->abort(*c);
  run();
}

TEST_F(ExplainRequest, WhatIsSaidIsWhatItGets) {
#ifdef FLATPROXY_SANITIZED
  constexpr uint32_t kSeeds = 20;
#else
  constexpr uint32_t kSeeds = 300;
#endif
  for (uint32_t seed = 0; seed < kSeeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    make_random(seed);
    for (int i = 0; i < 12 && !HasFailure(); ++i) compare_one();
  }
  for (const char* what : {"bad_request", "connect_failed", "endpoint_reset", "no_backend", "no_endpoint", "no_route",
                           "policy_denied", "tcp no_endpoint", "tcp policy_denied", "tcp tcp_terminated"})
    EXPECT_GE(seen_[what], kSeeds / 20) << what;
}

}  // namespace
}  // namespace flatproxy
