#pragma once

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "exchange/http_relay.h"
#include "support/stack_pair.h"
#include "wire/protocol.h"

namespace flatproxy::test {

/// A relay of requests between clients and servers that one stack plays, over a link with faults, in virtual time.
struct HttpRig : ::testing::Test {
  static constexpr Nanoseconds kSecond = 1'000'000'000;
  static constexpr int kOutside = 0, kRelay = 1;
  static constexpr uint32_t kRoute = 3;

  /// Two services, whose endpoints are ports of the outside; they are picked in turn.
  struct Policy : HttpPolicy {
    const Service* service(uint32_t id) const override { return id == 0 ? &shop : id == 1 ? &cart : nullptr; }
    uint32_t pick(const Service& service, uint64_t hash, const RelayClient&, uint32_t avoid) override {
      hashes.push_back(hash);
      avoided = avoid;
      const auto n = static_cast<uint32_t>(service.endpoints.size());
      for (uint32_t i = 0; i < 2 * n; ++i) {
        const uint32_t index = turn++ % n;
        const Endpoint& endpoint = service.endpoints[index];
        if (!endpoint.drain && (i >= n || (usable(endpoint.id) && endpoint.id != avoid))) return index;
      }
      return Picker::kNone;
    }
    std::optional<RelayTarget> way_to(const Service& service, const Endpoint& endpoint, const RelayClient&) override {
      ++open;
      return RelayTarget{.service = service.id,
                         .endpoint = endpoint.id,
                         .max_connections = service.max_connections,
                         .proxy_header = service.proxy_header,
                         .tuple = {*wire::Address::parse("10.0.0.2"), endpoint.address, next_port++, endpoint.port,
                                   wire::protocol::kTcp, 4}};
    }
    void closed(const RelayTarget&) override { --open; }
    void request_begins(uint32_t endpoint) override { ++requests[endpoint]; }
    void request_ends(uint32_t endpoint) override { --requests[endpoint]; }
    bool usable(uint32_t endpoint) const override { return !down.contains(endpoint); }
    void pass_over(uint32_t endpoint, Nanoseconds) override { passed_over.push_back(endpoint); }
    uint64_t random() override { return ++drawn << 8; }
    Reason judge(const RelayClient&, const wire::Address&, const wire::Address& to, uint16_t port) const override {
      const auto found = denied.find({to, port});
      return found != denied.end() ? found->second : Reason::forwarded;
    }
    void refused(const RelayClient&, const wire::Address&, const wire::Address&, uint16_t) override { ++told_refused; }
    bool trusts(uint16_t, const wire::Address&) override { return true; }
    void tell_client(FlowEventKind kind, uint32_t) override { told += kind == FlowEventKind::opened ? 1 : -1; }

    std::map<std::pair<wire::Address, uint16_t>, Reason> denied;
    Service shop{};
    Service cart{};
    std::set<uint32_t> down;
    std::vector<uint64_t> hashes;
    uint32_t turn = 0;
    uint64_t drawn = 0;
    uint32_t avoided = Endpoint::kNone;
    uint16_t next_port = 20'000;
    int open = 0;
    int told = 0;
    int told_refused = 0;
    std::map<uint32_t, int> requests;
    std::vector<uint32_t> passed_over;
  };

  /// Exchanges that were told of, with their texts.
  struct Log : ExchangeSink {
    struct Entry : ExchangeFacts {
      std::array<std::string, kExchangeTexts> texts;
      const std::string& text(ExchangeText which) const { return texts[static_cast<size_t>(which)]; }
    };
    bool wants(Outcome, uint16_t) override { return true; }
    void take(ExchangeRecord& record) override {
      Entry& entry = entries.emplace_back();
      static_cast<ExchangeFacts&>(entry) = record;
      std::ranges::copy(record.texts, entry.texts.begin());
    }
    std::vector<Entry> entries;
  };

  HttpRig() {
    add_endpoint(8000);
    rule().backends = {HttpBackend{}};
    route.id = kRoute;
    route.name = "shop";
    route.listeners = {{}};
  }

  void add_endpoint(uint16_t port) {
    Endpoint endpoint{};
    endpoint.id = static_cast<uint32_t>(policy.shop.endpoints.size());
    endpoint.address = *wire::Address::parse("10.0.0.1");
    endpoint.port = port;
    policy.shop.endpoints.push_back(endpoint);
  }
  /// The route's only rule, which takes every request; before make().
  HttpRule& rule() {
    if (route.rules.empty()) route.rules.push_back({{HttpMatch{}}, {}});
    return route.rules[0].rule;
  }
  void make(const LinkFaults& faults = {.delay = 1'000'000}) {
    pair = std::make_unique<StackPair>(tcp::Settings{}, tcp::Settings{}, faults, 5);
    listener = pair->side(kRelay).listener;
    route.listeners[0].listener = listener;
    streams = std::make_unique<tls::Streams>(stack(kRelay), pair->side(kRelay).buffers, tls_counters.data());
    relay = std::make_unique<HttpRelay>(
        *streams, pair->side(kRelay).buffers, policy, limits, 64,
        HttpTelemetry{counters.data(), http_counters.data(), &route_counters, &endpoint_counters, &log});
    relay->configure(listener, relay_settings, &settings);
    relay->adopt(std::make_shared<const route::Table>(std::vector<HttpRoute>{route}));
    relay->set_time(pair->now());
  }

  void run(Nanoseconds time = kSecond / 20) {
    for (const Nanoseconds end = pair->now() + time; pair->now() < end;) {
      const Nanoseconds step = std::min(pair->now() + kSecond / 100, end);
      pair->run(
          step - pair->now(), [] { return false; },
          [this](int side, tcp::Connection& c, uint8_t events) { happen(side, c, events); });
      pair->pass_to(step);
      relay->set_time(pair->now());
      relay->advance();
      streams->flush();
      stack(kRelay).flush();
    }
  }
  void happen(int side, tcp::Connection& c, uint8_t events) {
    if (side == kRelay) {
      c.events = events;
      relay->set_time(pair->now());
      if (c.attached != nullptr) streams->take_in(c);
      return c.owner == nullptr ? relay->take(c) : relay->happen(c);
    }
    if ((events & tcp::kOpened) != 0) (c.has(tcp::kPassive) ? servers : clients).push_back(&c);
    if ((events & tcp::kEnded) == 0) return;
    ends[&c] = c.end;
    std::erase(servers, &c);
    std::erase(clients, &c);
    if (c.received.empty()) stack(kOutside).close(c);
  }

  tcp::Stack& stack(int side) { return pair->side(side).stack; }
  tcp::Connection& open_client() {
    tcp::Connection* c = pair->connect(next_client++);
    run();
    return *c;
  }
  void send(tcp::Connection& c, const std::string& text) {
    stack(kOutside).send(c, reinterpret_cast<const uint8_t*>(text.data()), static_cast<uint32_t>(text.size()));
    run();
  }
  std::string read(tcp::Connection& c) {
    std::string text(c.received.bytes(), '\0');
    c.received.copy_out(reinterpret_cast<uint8_t*>(text.data()), static_cast<uint32_t>(text.size()));
    stack(kOutside).taken(c);
    run();
    return text;
  }
  /// A client that asks, and the server that its request has reached.
  tcp::Connection& ask(tcp::Connection& client, const std::string& request = kGet) {
    send(client, request);
    EXPECT_FALSE(servers.empty());
    return *servers.back();
  }
  void close(tcp::Connection& c) {
    std::erase(servers, &c);
    std::erase(clients, &c);
    stack(kOutside).close(c);
    run();
  }
  void abort(tcp::Connection& c) {
    std::erase(servers, &c);
    std::erase(clients, &c);
    stack(kOutside).abort(c);
    run();
  }
  /// Nothing is left of any exchange: no connection, buffer, or count.
  void expect_nothing_left() {
    while (!clients.empty()) close(*clients.back());
    run(400 * kSecond);
    while (!servers.empty()) close(*servers.back());
    run(100 * kSecond);
    EXPECT_EQ(relay->active(), 0u);
    EXPECT_EQ(counters[listener].active.read(), 0u);
    EXPECT_EQ(policy.open, 0);
    EXPECT_EQ(policy.told, 0);
    for (const auto& [endpoint, count] : policy.requests) EXPECT_EQ(count, 0) << endpoint;
    EXPECT_EQ(stack(kRelay).connections(), 0u);
    const Buffers& buffers = pair->side(kRelay).buffers;
    EXPECT_EQ(buffers.small.in_use() + buffers.large.in_use() + buffers.loans.in_use(), 0u);
  }

  static constexpr const char* kGet = "GET /a HTTP/1.1\r\nHost: shop\r\n\r\n";
  static constexpr const char* kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

  Policy policy;
  HttpRoute route;
  HttpSettings settings;
  RelaySettings relay_settings;
  uint16_t listener = 0;
  RelayLimits limits{hash_key(3)};
  std::array<RelayCounters, 4> counters;
  std::array<HttpCounters, 4> http_counters;
  std::array<TlsCounters, 4> tls_counters;
  CounterTable<ExchangeCounters> route_counters{4};
  CounterTable<ExchangeCounters> endpoint_counters{16};
  Log log;
  std::unique_ptr<StackPair> pair;
  std::unique_ptr<tls::Streams> streams;
  std::unique_ptr<HttpRelay> relay;
  std::vector<tcp::Connection*> clients;
  std::vector<tcp::Connection*> servers;
  std::map<tcp::Connection*, tcp::End> ends;
  uint16_t next_client = 30'000;
};

}  // namespace flatproxy::test
