// A relay between clients and servers that one stack plays, over a link with faults, in virtual time.
#include "exchange/tcp_relay.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>

#include "support/stack_pair.h"
#include "wire/protocol.h"

namespace flatproxy::test {
namespace {

using tcp::Connection;
constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr int kOutside = 0, kRelay = 1;

const wire::Address kOutsideAddress = *wire::Address::parse("10.0.0.1");
const wire::Address kRelayAddress = *wire::Address::parse("10.0.0.2");

/// Sends everything to endpoints on the outside, in turn.
struct Policy : RelayPolicy {
  std::optional<RelayTarget> choose(const RelayClient& client) override {
    last = client;
    if (endpoints == 0) return std::nullopt;
    const uint32_t endpoint = turn++ % endpoints;
    ++ports_out;
    const auto port = static_cast<uint16_t>(8000 + endpoint);
    return RelayTarget{.endpoint = endpoint,
                       .max_connections = most,
                       .proxy_header = proxy_header,
                       .tuple = {kRelayAddress, kOutsideAddress, next_port++, port, wire::protocol::kTcp, 4}};
  }
  Reason judge(const RelayClient&, const wire::Address&, const wire::Address& to, uint16_t port) const override {
    return denied.contains({to, port}) ? Reason::policy_denied : Reason::forwarded;
  }
  void refused(const RelayClient&, const wire::Address&, const wire::Address&, uint16_t) override { ++told_refused; }
  bool trusts(uint16_t, const wire::Address&) override { return trusted; }
  void endpoint_answered(const RelayTarget&, bool opened) override { ++(opened ? answered : failed); }
  void tell(FlowEventKind kind, uint32_t) override { kind == FlowEventKind::opened ? ++told_open : ++told_closed; }
  void give_back(const RelayTarget&) override { --ports_out; }

  std::set<std::pair<wire::Address, uint16_t>> denied;
  uint32_t endpoints = 1;
  uint32_t most = 0;
  uint8_t proxy_header = 0;
  uint32_t turn = 0;
  uint16_t next_port = 20'000;
  bool trusted = true;
  int ports_out = 0;
  int told_open = 0;
  int told_refused = 0;
  int told_closed = 0;
  int answered = 0;
  int failed = 0;
  RelayClient last{};
};

struct TcpRelayTest : ::testing::Test {
  void make(const RelaySettings& relay_settings = {}, const LinkFaults& faults = {.delay = 1'000'000},
            const tcp::Settings& tcp_settings = {}) {
    pair = std::make_unique<StackPair>(tcp_settings, tcp_settings, faults, 5);
    streams = std::make_unique<tls::Streams>(pair->side(kRelay).stack, pair->side(kRelay).buffers, tls_counters.data());
    relay = std::make_unique<TcpRelay>(*streams, policy, limits, 64, all_counters.data());
    relay->configure(pair->side(kRelay).listener, relay_settings);
    relay->set_time(pair->now());
  }
  void run(Nanoseconds time) {
    for (const Nanoseconds end = pair->now() + time; pair->now() < end;) {
      const Nanoseconds before = pair->now();
      pair->run(
          kSecond / 100, [] { return false; },
          [this](int side, Connection& c, uint8_t events) { happen(side, c, events); });
      pair->pass_to(before + kSecond / 100);
      relay->set_time(pair->now());
      relay->advance();
      stack(kRelay).flush();
    }
  }
  void happen(int side, Connection& c, uint8_t events) {
    if (side == kRelay) {
      c.events = events;
      relay->set_time(pair->now());
      return relay->happen(c);
    }
    if ((events & tcp::kOpened) != 0) (c.has(tcp::kPassive) ? servers : clients).push_back(&c);
    if (short_exchange) play_short_exchange(c, events);
    if ((events & tcp::kEnded) != 0) {
      ends[&c] = c.end;
      std::erase(servers, &c);
      std::erase(clients, &c);
      stack(kOutside).close(c);
    }
  }
  // A client asks, its server answers and closes, the client closes.
  void play_short_exchange(Connection& c, uint8_t events) {
    if (c.has(tcp::kPassive)) {
      if ((events & tcp::kReadable) == 0) return;
      send(c, "answer to " + read(c));
      stack(kOutside).shut_down(c);
    } else if ((events & tcp::kOpened) != 0) {
      send(c, "question");
    } else if ((events & tcp::kPeerClosed) != 0) {
      last_answer = read(c);
      stack(kOutside).shut_down(c);
    }
  }
  tcp::Stack& stack(int side) { return pair->side(side).stack; }
  Connection* open_client() {
    Connection* c = pair->connect(next_client++);
    run(kSecond / 20);
    return c;
  }
  void send(Connection& c, const std::string& text) {
    stack(kOutside).send(c, reinterpret_cast<const uint8_t*>(text.data()), static_cast<uint32_t>(text.size()));
  }
  std::string read(Connection& c) {
    std::string text(c.received.bytes(), '\0');
    c.received.copy_out(reinterpret_cast<uint8_t*>(text.data()), static_cast<uint32_t>(text.size()));
    stack(kOutside).taken(c);
    return text;
  }
  // Nothing is left of any pair: no connection, buffer, port, or count.
  void expect_nothing_left() {
    run(300 * kSecond);
    EXPECT_EQ(counters().active.read(), 0u);
    EXPECT_EQ(policy.ports_out, 0);
    for (int side : {kOutside, kRelay}) {
      EXPECT_EQ(stack(side).connections(), 0u) << side;
      EXPECT_EQ(pair->side(side).buffers.small.in_use(), 0u) << side;
      EXPECT_EQ(pair->side(side).buffers.large.in_use(), 0u) << side;
      EXPECT_EQ(pair->side(side).buffers.loans.in_use(), 0u) << side;
    }
  }

  const RelayCounters& counters() const { return all_counters[pair->side(kRelay).listener]; }

  Policy policy;
  RelayLimits limits{hash_key(3)};
  std::array<RelayCounters, 4> all_counters;
  std::array<TlsCounters, 4> tls_counters;
  std::unique_ptr<StackPair> pair;
  std::unique_ptr<tls::Streams> streams;
  std::unique_ptr<TcpRelay> relay;
  std::vector<Connection*> clients;
  std::vector<Connection*> servers;
  std::map<Connection*, tcp::End> ends;
  uint16_t next_client = 30'000;
  bool short_exchange = false;
  std::string last_answer;
};

TEST_F(TcpRelayTest, PassesBytesBothWaysAndEachFin) {
  make();
  open_client();
  ASSERT_EQ(clients.size(), 1u);
  ASSERT_EQ(servers.size(), 1u);
  send(*clients[0], "question");
  run(kSecond / 10);
  EXPECT_EQ(read(*servers[0]), "question");
  stack(kOutside).shut_down(*clients[0]);
  run(kSecond / 10);
  EXPECT_TRUE(servers[0]->peer_closed());
  // The other direction is still open.
  send(*servers[0], "answer");
  run(kSecond / 10);
  EXPECT_EQ(read(*clients[0]), "answer");
  EXPECT_FALSE(clients[0]->peer_closed());
  stack(kOutside).shut_down(*servers[0]);
  run(kSecond / 10);
  EXPECT_EQ(counters().active.read(), 0u);
  EXPECT_EQ(counters().bytes_up.read(), 8u);
  EXPECT_EQ(counters().bytes_down.read(), 6u);
  EXPECT_EQ(policy.told_open, 1);
  EXPECT_EQ(policy.told_closed, 1);
  expect_nothing_left();
}

TEST_F(TcpRelayTest, AcknowledgmentsOfAShortExchangeRideOnItsData) {
  short_exchange = true;
  make({}, {.delay = 100'000});
  open_client();
  EXPECT_EQ(last_answer, "answer to question");
  // To the client: SYN and ACK, the answer and FIN, an ACK of its FIN; to the server: SYN, the question, FIN.
  EXPECT_EQ(pair->side(kRelay).frames_sent, 6u);
  EXPECT_EQ(ends.size(), 1u) << "the server's side, the client's is in TIME-WAIT";
  expect_nothing_left();
}

TEST_F(TcpRelayTest, ConnectsNobodyToAnEndpointThatIsDenied) {
  policy.endpoints = 2;
  policy.denied = {{kOutsideAddress, 8000}};
  make();
  EXPECT_EQ(ends.at(open_client()), tcp::End::reset);
  EXPECT_TRUE(servers.empty()) << "no other endpoint is asked in its place";
  EXPECT_EQ(counters().denied.read(), 1u);
  EXPECT_EQ(policy.told_refused, 1);
  EXPECT_EQ(counters().no_endpoint.read(), 0u);
  open_client();
  EXPECT_EQ(servers.size(), 1u) << "the second one's turn";
  stack(kOutside).abort(*servers[0]);
  servers.clear();
  expect_nothing_left();
}

TEST_F(TcpRelayTest, TakesNobodyWhomPoliciesDenyByNow) {
  make();
  Connection* c = open_client();
  policy.denied = {{c->tuple.destination, c->tuple.destination_port}};
  Connection* later = open_client();
  EXPECT_EQ(ends.at(later), tcp::End::reset);
  EXPECT_EQ(servers.size(), 1u);
  EXPECT_EQ(counters().denied.read(), 1u);
  EXPECT_EQ(policy.told_refused, 1);
  EXPECT_EQ(ends.count(c), 0u) << "what runs has its own time";
  stack(kOutside).abort(*c);
  expect_nothing_left();
}

TEST_F(TcpRelayTest, ResetsBothSidesOfWhatIsDenied) {
  make();
  for (const bool by_listener : {true, false}) {
    Connection* c = open_client();
    ASSERT_EQ(servers.size(), 1u);
    Connection* s = servers[0];
    const uint64_t before = counters().denied.read();
    EXPECT_FALSE(relay->reset_if_denied(0));
    if (by_listener) {
      policy.denied = {{c->tuple.destination, c->tuple.destination_port}};
    } else {
      policy.denied = {{kOutsideAddress, 8000}};
    }
    EXPECT_TRUE(relay->reset_if_denied(0));
    EXPECT_FALSE(relay->reset_if_denied(0)) << "it is gone";
    EXPECT_FALSE(relay->reset_if_denied(9)) << "there was none";
    run(kSecond / 10);
    EXPECT_EQ(ends.at(c), tcp::End::reset);
    EXPECT_EQ(ends.at(s), tcp::End::reset);
    EXPECT_EQ(counters().denied.read(), before + 1);
    policy.denied.clear();
    ends.clear();
  }
  expect_nothing_left();
}

TEST_F(TcpRelayTest, PassesAResetAsAReset) {
  make();
  for (const bool from_client : {true, false}) {
    open_client();
    ASSERT_EQ(servers.size(), 1u);
    Connection* other = from_client ? servers[0] : clients[0];
    Connection* one = from_client ? clients[0] : servers[0];
    std::erase(from_client ? clients : servers, one);
    stack(kOutside).abort(*one);
    run(kSecond / 10);
    EXPECT_EQ(ends.at(other), tcp::End::reset);
  }
  EXPECT_EQ(counters().resets.read(), 2u);
  expect_nothing_left();
}

TEST_F(TcpRelayTest, PassesAResetAsAResetWhenTheOtherSideSpeaksAtTheSameTime) {
  make();
  for (const bool from_client : {true, false}) {
    open_client();
    ASSERT_EQ(servers.size(), 1u);
    Connection* other = from_client ? servers[0] : clients[0];
    Connection* one = from_client ? clients[0] : servers[0];
    std::erase(from_client ? clients : servers, one);
    // What it says arrives just before the reset.
    send(*other, "x");
    stack(kOutside).flush();
    stack(kOutside).abort(*one);
    run(kSecond / 10);
    EXPECT_EQ(ends.at(other), tcp::End::reset) << from_client;
  }
  EXPECT_EQ(counters().resets.read(), 2u);
  expect_nothing_left();
}

TEST_F(TcpRelayTest, CarriesALargeStreamOverABadLinkIntact) {
  make({}, {.loss = 100, .duplication = 50, .reordering = 300, .delay = 2'000'000, .jitter = 500'000});
  open_client();
  run(3 * kSecond);
  ASSERT_EQ(servers.size(), 1u);
  constexpr uint32_t kBytes = 2'000'000;
  uint32_t sent = 0;
  uint32_t got = 0;
  bool intact = true;
  for (int i = 0; i < 20'000 && got < kBytes; ++i) {
    while (sent < kBytes && stack(kOutside).may_send(*clients[0])) {
      uint8_t bytes[997];
      const uint32_t n = std::min<uint32_t>(sizeof(bytes), kBytes - sent);
      for (uint32_t k = 0; k < n; ++k) bytes[k] = static_cast<uint8_t>((sent + k) * 131 >> 3);
      sent += stack(kOutside).send(*clients[0], bytes, n);
    }
    stack(kOutside).flush();
    run(kSecond / 100);
    for (const char c : read(*servers[0])) intact &= static_cast<uint8_t>(c) == static_cast<uint8_t>(got++ * 131 >> 3);
    stack(kOutside).flush();
  }
  EXPECT_EQ(got, kBytes);
  EXPECT_TRUE(intact);
  stack(kOutside).close(*clients[0]);
  stack(kOutside).close(*servers[0]);
  expect_nothing_left();
}

TEST_F(TcpRelayTest, ASlowServerHoldsAFastClientBack) {
  tcp::Settings settings;
  settings.max_send_buffer = 256 * 1024;
  make({}, {.delay = 1'000'000}, settings);
  open_client();
  const std::vector<uint8_t> bytes(100'000, 1);
  for (int i = 0; i < 100; ++i) {
    while (stack(kOutside).may_send(*clients[0])) stack(kOutside).send(*clients[0], bytes.data(), 100'000);
    run(kSecond / 10);
  }
  // Nothing was read: the relay holds what its bounds let it, and the client the rest.
  const uint64_t held = counters().bytes_up.read();
  EXPECT_LE(held, 2u << 20);
  EXPECT_GT(held, 64u << 10);
  stack(kOutside).abort(*clients[0]);
  clients.clear();
  run(kSecond);
  stack(kOutside).flush();
  expect_nothing_left();
}

TEST_F(TcpRelayTest, EndsAClientWhoseEndpointDoesNotAnswer) {
  make({.connect_timeout = 2 * kSecond});
  pair->side(kOutside).listener = tcp::Stack::kNoListener;  // nobody listens, and nobody says so
  Connection* c = open_client();
  EXPECT_EQ(clients.size(), 1u);
  run(3 * kSecond);
  EXPECT_EQ(ends.at(c), tcp::End::reset);
  EXPECT_EQ(policy.failed, 1);
  EXPECT_EQ(counters().connect_failed.read(), 1u);
  policy.endpoints = 0;
  c = open_client();
  run(kSecond);
  EXPECT_EQ(ends.at(c), tcp::End::reset);
  EXPECT_EQ(counters().no_endpoint.read(), 1u);
  expect_nothing_left();
}

TEST_F(TcpRelayTest, EndsWhatIsIdleAndNothingElse) {
  make({.idle_timeout = 5 * kSecond});
  open_client();
  open_client();
  ASSERT_EQ(clients.size(), 2u);
  Connection* idle = clients[0];
  Connection* busy = clients[1];
  for (int i = 0; i < 8; ++i) {
    send(*busy, "x");
    run(2 * kSecond);
  }
  EXPECT_TRUE(ends.contains(idle));
  EXPECT_FALSE(ends.contains(busy));
  EXPECT_EQ(counters().idle.read(), 1u);
  EXPECT_EQ(counters().active.read(), 1u);
}

TEST_F(TcpRelayTest, KeepsToItsLimits) {
  make({.max_connections = 5});
  for (int i = 0; i < 7; ++i) open_client();
  EXPECT_EQ(servers.size(), 5u);
  EXPECT_EQ(counters().over_limit.read(), 2u);
  relay->configure(pair->side(kRelay).listener, {.max_per_client = 6});
  for (int i = 0; i < 3; ++i) open_client();
  EXPECT_EQ(servers.size(), 6u);
  relay->configure(pair->side(kRelay).listener, {});
  policy.most = 7;
  for (int i = 0; i < 3; ++i) open_client();
  EXPECT_EQ(servers.size(), 7u);
  // One that ends makes room for another.
  stack(kOutside).abort(*clients.back());
  clients.pop_back();
  open_client();
  EXPECT_EQ(servers.size(), 7u);
  while (!clients.empty()) {
    stack(kOutside).abort(*clients.back());
    clients.pop_back();
  }
  expect_nothing_left();
}

TEST_F(TcpRelayTest, ReadsAndWritesProxyHeaders) {
  policy.proxy_header = 1;
  make({.expects_proxy_header = true});
  open_client();
  EXPECT_TRUE(servers.empty()) << "not before the header is there";
  send(*clients[0], "PROXY TCP4 203.0.113.9 198.51.100.1 1234 ");
  run(kSecond / 10);
  EXPECT_TRUE(servers.empty());
  send(*clients[0], "443\r\nhello");
  run(kSecond / 10);
  ASSERT_EQ(servers.size(), 1u);
  EXPECT_EQ(policy.last.ends.source.to_string(), "203.0.113.9");
  EXPECT_EQ(read(*servers[0]), "PROXY TCP4 203.0.113.9 198.51.100.1 1234 443\r\nhello");
  // Malformed, and from a peer that is not trusted.
  Connection* c = open_client();
  send(*c, "GET / HTTP/1.1\r\n");
  run(kSecond / 10);
  EXPECT_EQ(ends.at(c), tcp::End::reset);
  policy.trusted = false;
  c = open_client();
  EXPECT_EQ(ends.at(c), tcp::End::reset);
  EXPECT_EQ(counters().bad_proxy_header.read(), 2u);
  // None in time.
  policy.trusted = true;
  c = open_client();
  run(6 * kSecond);
  EXPECT_EQ(ends.at(c), tcp::End::reset);
  EXPECT_EQ(counters().bad_proxy_header.read(), 3u);
}

}  // namespace
}  // namespace flatproxy::test
