// Clients that ask before they are answered, say no more, or are slow to read.
#include "support/http_rig.h"

namespace flatproxy::test {
namespace {

struct HttpClientsTest : HttpRig {
  /// Takes in some bytes of what has come, and lets time pass. Returns how many there were.
  uint32_t read_some(tcp::Connection& c, uint32_t most, Nanoseconds time) {
    std::vector<uint8_t> bytes(most);
    const uint32_t n = c.received.copy_out(bytes.data(), most);
    stack(kOutside).taken(c);
    run(time);
    return n;
  }
  static std::string head_of(uint32_t size) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
  }
};

TEST_F(HttpClientsTest, TakesTheNextRequestBehindAnAnswerOfItsOwn) {
  rule().backend_timeout = 2 * kSecond;
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& silent = ask(client, std::string(kGet) + kGet);
  EXPECT_EQ(read(silent), kGet);
  run(3 * kSecond);
  EXPECT_EQ(read(client).substr(0, 12), "HTTP/1.1 504");
  ASSERT_EQ(servers.size(), 1u);
  EXPECT_EQ(read(*servers[0]), kGet);
  send(*servers[0], kOk);
  EXPECT_EQ(read(client), kOk);
  expect_nothing_left();
}

TEST_F(HttpClientsTest, AnswersAThousandRequestsAtOnceByItself) {
  rule().direct = DirectResponse{.status = 204, .headers = {}, .body = ""};
  make();
  tcp::Connection& client = open_client();
  std::string requests;
  for (int i = 0; i < 1000; ++i) requests += kGet;
  send(client, requests);
  EXPECT_EQ(read(client).size(), 1000 * std::string("HTTP/1.1 204 No Content\r\n\r\n").size());
  EXPECT_EQ(http_counters[listener].requests.read(), 1000u);
  expect_nothing_left();
}

TEST_F(HttpClientsTest, KeepsItsResponseFromNoClientThatEndsWithinARequest) {
  for (const char* rest : {"", "GET /more HTTP/1.1\r\nHo"}) {
    make();
    tcp::Connection& client = open_client();
    tcp::Connection& server = ask(client, std::string(kGet) + rest);
    stack(kOutside).shut_down(client);
    run();
    read(server);
    send(server, kOk);
    EXPECT_EQ(read(client), kOk);
    EXPECT_TRUE(client.peer_closed());
    EXPECT_EQ(ends.count(&client), 0u) << "it was not reset";
    expect_nothing_left();
  }
}

TEST_F(HttpClientsTest, WaitsForASlowReaderOfALastResponse) {
  constexpr uint32_t kSize = 300'000;
  settings.body_timeout = 10 * kSecond;
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client, "GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
  read(server);
  send(server, head_of(kSize) + std::string(kSize, 'x'));
  uint32_t got = 0;
  while (ends.count(&client) == 0) {
    const uint32_t n = read_some(client, 30'000, 4 * kSecond);
    got += n;
    if (n == 0) break;
  }
  EXPECT_EQ(got, head_of(kSize).size() + std::string("Connection: close\r\n").size() + kSize);
  EXPECT_TRUE(client.peer_closed());
  expect_nothing_left();
}

TEST_F(HttpClientsTest, EndsAConnectionWhoseClientDoesNotReadItsLastResponse) {
  constexpr uint32_t kSize = 300'000;
  settings.body_timeout = 10 * kSecond;
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client, "GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
  read(server);
  send(server, head_of(kSize) + std::string(kSize, 'x'));
  run(30 * kSecond);
  EXPECT_EQ(ends[&client], tcp::End::reset);
  expect_nothing_left();
}

TEST_F(HttpClientsTest, CountsWhatASlowReaderTakesAsMovement) {
  constexpr uint32_t kSize = 300'000;
  settings.body_timeout = 5 * kSecond;
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client);
  read(server);
  // Its end comes late; until then nothing moves but what the client reads.
  send(server, head_of(kSize) + std::string(kSize - 1, 'x'));
  for (int i = 0; i < 5; ++i) EXPECT_GT(read_some(client, 35'000, 3 * kSecond), 0u);
  EXPECT_EQ(ends.count(&client), 0u);
  run(15 * kSecond);
  EXPECT_EQ(ends[&client], tcp::End::reset) << "it does not read any more";
  expect_nothing_left();
}

TEST_F(HttpClientsTest, CountsWhatASlowEndpointTakesAsMovement) {
  constexpr uint32_t kSize = 300'000;
  settings.body_timeout = 5 * kSecond;
  make();
  tcp::Connection& client = open_client();
  std::string request = "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: ";
  tcp::Connection& server = ask(client, request.append(std::to_string(kSize)).append("\r\n\r\n").append(kSize, 'x'));
  // All of it has come from the client; nothing moves but what the endpoint reads.
  for (int i = 0; i < 5; ++i) EXPECT_GT(read_some(server, 35'000, 3 * kSecond), 0u);
  EXPECT_TRUE(client.received.empty());
  run(15 * kSecond);
  EXPECT_EQ(read(client).substr(0, 12), "HTTP/1.1 504") << "it does not read any more";
  expect_nothing_left();
}

}  // namespace
}  // namespace flatproxy::test
