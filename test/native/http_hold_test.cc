// What is held, how long and by how many: connections without requests, those who wait, those who do not read.
#include "support/http_rig.h"

namespace flatproxy::test {
namespace {

using HttpHoldTest = HttpRig;

std::string status_of(const std::string& response) { return response.substr(0, 12); }

TEST_F(HttpHoldTest, EndsConnectionsWithoutRequests) {
  settings.header_timeout = 2 * kSecond;
  settings.idle_timeout = 5 * kSecond;
  make();
  tcp::Connection& silent = open_client();
  tcp::Connection& idle = open_client();
  send(ask(idle), kOk);
  read(idle);
  run(3 * kSecond);
  EXPECT_TRUE(silent.peer_closed());
  EXPECT_FALSE(idle.peer_closed());
  run(4 * kSecond);
  EXPECT_TRUE(idle.peer_closed());
  expect_nothing_left();
}

TEST_F(HttpHoldTest, GivesUpABodyThatDoesNotCome) {
  settings.body_timeout = 2 * kSecond;
  make();
  tcp::Connection& client = open_client();
  ask(client, "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\nhel");
  run(3 * kSecond);
  EXPECT_EQ(status_of(read(client)), "HTTP/1.1 504");
  expect_nothing_left();
}

TEST_F(HttpHoldTest, QueuesRequestsBeyondTheConnectionsOfAnEndpoint) {
  policy.shop.max_connections = 1;
  policy.shop.http.max_pending = 1;
  make();
  std::vector<tcp::Connection*> three;
  for (int i = 0; i < 3; ++i) three.push_back(&open_client());
  for (tcp::Connection* client : three) send(*client, kGet);
  EXPECT_EQ(servers.size(), 1u);
  EXPECT_EQ(status_of(read(*three[2])), "HTTP/1.1 503");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(read(*servers[0]), kGet);
    send(*servers[0], kOk);
    EXPECT_EQ(read(*three[i]), kOk);
  }
  expect_nothing_left();
}

TEST_F(HttpHoldTest, CountsNoTryOfARequestThatHasOnlyWaited) {
  policy.shop.max_connections = 1;
  rule().retry = RetrySettings{.attempts = 1, .codes = {503}};
  make();
  tcp::Connection& first = open_client();
  tcp::Connection& second = open_client();
  read(ask(first));
  send(second, kGet);
  // The connection that it waits for ends with the response.
  send(*servers[0], "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(read(first), kOk);
  read(*servers.back());
  send(*servers.back(), "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
  run(kSecond);
  EXPECT_EQ(read(*servers.back()), kGet) << "it is tried again";
  send(*servers.back(), kOk);
  EXPECT_EQ(read(second), kOk);
  expect_nothing_left();
}

TEST_F(HttpHoldTest, LetsNobodyWaitForAnEndpointThatIsGone) {
  policy.shop.max_connections = 1;
  relay_settings.connect_timeout = kSecond / 2;
  make();
  std::vector<tcp::Connection*> four;
  for (int i = 0; i < 4; ++i) four.push_back(&open_client());
  for (tcp::Connection* client : four) send(*client, kGet);
  ASSERT_EQ(servers.size(), 1u);
  stack(kOutside).unlisten(pair->side(kOutside).listener);
  abort(*servers[0]);
  run(3 * kSecond);
  EXPECT_EQ(status_of(read(*four[0])), "HTTP/1.1 502");
  for (int i = 1; i < 4; ++i) EXPECT_EQ(status_of(read(*four[i])), "HTTP/1.1 503") << i;
  stack(kOutside).listen_as(pair->side(kOutside).listener, 16);
  expect_nothing_left();
}

TEST_F(HttpHoldTest, HoldsAFastServerBackForASlowReader) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client);
  read(server);
  constexpr uint32_t kSize = 32 << 20;
  send(server, "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kSize) + "\r\n\r\n");
  const std::string part(1 << 20, 'x');
  uint32_t given = 0;
  while (given < kSize && stack(kOutside).may_send(server)) {
    send(server, part);
    given += static_cast<uint32_t>(part.size());
  }
  EXPECT_LT(given, kSize);
  uint64_t got = 0;
  while (got < kSize && ends.empty()) {
    got += read(client).size();
    if (given < kSize && stack(kOutside).may_send(server)) {
      send(server, part);
      given += static_cast<uint32_t>(part.size());
    }
  }
  EXPECT_GE(got, kSize);
  expect_nothing_left();
}

TEST_F(HttpHoldTest, LetsNobodyHoldTheBuffersWhoDoesNotRead) {
  make();
  std::vector<tcp::Connection*> readers;
  for (int i = 0; i < 24; ++i) {
    readers.push_back(&ask(open_client()));
    read(*readers.back());
    send(*readers.back(), "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n");
  }
  const std::string part(1 << 20, 'x');
  const Buffers& buffers = pair->side(kRelay).buffers;
  uint32_t most = 0;
  for (int i = 0; i < 20; ++i) {
    for (tcp::Connection* server : std::vector(servers)) {
      if (stack(kOutside).may_send(*server)) send(*server, part);
    }
    run(kSecond / 4);
    most = std::max(most, buffers.large.in_use() + buffers.small.in_use());
  }
  EXPECT_GT(http_counters[listener].outcomes[static_cast<size_t>(Outcome::no_buffers)].read(), 0u) << most;
  EXPECT_LT(servers.size(), readers.size());
  EXPECT_LE(buffers.large.in_use(), buffers.large.segments() / 4 * 3);
  EXPECT_LE(buffers.small.in_use(), buffers.small.segments() / 4 * 3);
  tcp::Connection& client = open_client();
  send(ask(client), kOk);
  EXPECT_EQ(read(client), kOk);
  expect_nothing_left();
}

TEST_F(HttpHoldTest, EndsConnectionsWhenItDrains) {
  make();
  tcp::Connection& idle = open_client();
  send(ask(idle), kOk);
  read(idle);
  tcp::Connection& busy = open_client();
  tcp::Connection& server = ask(busy);
  relay->drain_some();
  run();
  EXPECT_TRUE(idle.peer_closed());
  read(server);
  send(server, kOk);
  EXPECT_EQ(read(busy), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
  EXPECT_TRUE(busy.peer_closed());
  expect_nothing_left();
}

}  // namespace
}  // namespace flatproxy::test
