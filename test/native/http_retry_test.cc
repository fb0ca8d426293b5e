// What becomes of requests whose endpoints, clients or bodies fail them.
#include "support/http_rig.h"

namespace flatproxy::test {
namespace {

using HttpRetryTest = HttpRig;

std::string status_of(const std::string& response) { return response.substr(0, 12); }

TEST_F(HttpRetryTest, SendsOnceMoreWhatAKeptConnectionHasLost) {
  make();
  tcp::Connection& client = open_client();
  send(ask(client), kOk);
  read(client);
  tcp::Connection& kept = *servers[0];
  read(kept);
  // The server closes while the next request is on its way.
  std::erase(servers, &kept);
  stack(kOutside).close(kept);
  stack(kOutside).flush();
  send(client, kGet);
  ASSERT_EQ(servers.size(), 1u);
  EXPECT_EQ(read(*servers[0]), kGet);
  send(*servers[0], kOk);
  EXPECT_EQ(read(client), kOk);
  expect_nothing_left();
}

TEST_F(HttpRetryTest, LeavesTheAttemptsToARequestThatAKeptConnectionHasLost) {
  rule().retry = RetrySettings{};
  relay_settings.connect_timeout = kSecond / 2;
  make();
  tcp::Connection& client = open_client();
  send(ask(client), kOk);
  read(client);
  tcp::Connection& kept = ask(client);
  stack(kOutside).unlisten(pair->side(kOutside).listener);
  abort(kept);
  run(kSecond * 9 / 20);
  stack(kOutside).listen_as(pair->side(kOutside).listener, 16);
  run(kSecond);
  ASSERT_EQ(servers.size(), 1u);
  EXPECT_EQ(read(*servers[0]), kGet);
  send(*servers[0], kOk);
  EXPECT_EQ(read(client), kOk);
  expect_nothing_left();
}

TEST(RetryBudget, IsAShareOfTheLastSeconds) {
  using Budget = upstream::RetryBudget;
  constexpr Nanoseconds kSecond = HttpRig::kSecond;
  Budget budget;
  const auto take_all = [&](Nanoseconds now) {
    uint32_t taken = 0;
    while (taken < 10'000 && budget.take_retry(now)) ++taken;
    return taken;
  };
  EXPECT_EQ(take_all(kSecond), Budget::kLeast);
  for (int i = 0; i < 1000 * int{Budget::kPart}; ++i) budget.begin_request(2 * kSecond);
  EXPECT_EQ(take_all(2 * kSecond), 1000 - Budget::kLeast);
  EXPECT_EQ(take_all(11 * kSecond), Budget::kLeast) << "the first hundred are too long ago to count";
  EXPECT_EQ(take_all(20 * kSecond), 0u);
  EXPECT_EQ(take_all(21 * kSecond), Budget::kLeast);
}

TEST_F(HttpRetryTest, DoesNotSendTwiceWhatMayHaveBeenActedOn) {
  make();
  tcp::Connection& client = open_client();
  send(ask(client), kOk);
  read(client);
  tcp::Connection& kept = *servers[0];
  read(kept);
  const std::string post = "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(read(ask(client, post)), post);
  abort(kept);
  EXPECT_EQ(status_of(read(client)), "HTTP/1.1 502");
  EXPECT_TRUE(servers.empty());
  expect_nothing_left();
}

TEST_F(HttpRetryTest, BelievesAResetThatSaysWhatHasCome) {
  rule().retry = RetrySettings{};
  make();
  tcp::Connection& client = open_client();
  const std::string post = "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n";
  // Acknowledgments are not sent at once any more.
  for (int i = 0; i < 20; ++i) {
    read(ask(client));
    send(*servers[0], kOk);
    EXPECT_EQ(read(client), kOk);
  }
  tcp::Connection& kept = *servers[0];
  stack(kOutside).send(client, reinterpret_cast<const uint8_t*>(post.data()), static_cast<uint32_t>(post.size()));
  while (kept.received.empty()) run(kSecond / 1000);
  abort(kept);
  EXPECT_EQ(status_of(read(client)), "HTTP/1.1 502");
  EXPECT_TRUE(servers.empty());
  expect_nothing_left();
}

TEST_F(HttpRetryTest, TriesAnotherEndpointWhenOneCannotBeReached) {
  policy.shop.endpoints.clear();
  add_endpoint(80);
  add_endpoint(80);
  rule().retry = RetrySettings{};
  relay_settings.connect_timeout = kSecond / 2;
  make();
  tcp::Connection& client = open_client();
  stack(kOutside).unlisten(pair->side(kOutside).listener);
  send(client, "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\n\r\nhi");
  run(kSecond * 9 / 20);
  EXPECT_EQ(policy.turn, 1u);
  stack(kOutside).listen_as(pair->side(kOutside).listener, 16);
  run(kSecond);
  EXPECT_EQ(policy.turn, 2u);
  EXPECT_EQ(policy.avoided, 0u);
  ASSERT_EQ(servers.size(), 1u);
  EXPECT_EQ(read(*servers[0]), "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\n\r\nhi");
  send(*servers[0], kOk);
  EXPECT_EQ(read(client), kOk);
  expect_nothing_left();
}

TEST_F(HttpRetryTest, TriesAgainForAStatusUntilItsAttemptsAreUsedUp) {
  rule().retry = RetrySettings{.attempts = 2, .codes = {503}};
  make();
  tcp::Connection& client = open_client();
  const std::string busy = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy";
  send(ask(client), busy);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(client.received.bytes(), 0u);
    run(kSecond);
    ASSERT_EQ(servers.size(), 1u);
    EXPECT_EQ(read(*servers[0]), kGet);
    send(*servers[0], busy);
  }
  EXPECT_EQ(read(client), busy);
  expect_nothing_left();
}

TEST_F(HttpRetryTest, DoesNotReplayABodyThatIsGone) {
  rule().retry = RetrySettings{.attempts = 2, .codes = {503}};
  make();
  tcp::Connection& client = open_client();
  const std::string busy = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
  send(ask(client, "PUT / HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\n\r\nhi"), busy);
  EXPECT_EQ(read(client), busy);
  expect_nothing_left();
}

TEST_F(HttpRetryTest, NeverPassesACutResponseOnAsWhole) {
  for (const char* response : {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
                               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"}) {
    make();
    tcp::Connection& client = open_client();
    tcp::Connection& server = ask(client);
    read(server);
    send(server, response);
    close(server);
    EXPECT_EQ(ends[&client], tcp::End::reset);
    expect_nothing_left();
    ends.clear();
  }
}

TEST_F(HttpRetryTest, CutsAResponseWithoutAnEndWhenItsServerIsReset) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client);
  read(server);
  send(server, "HTTP/1.1 200 OK\r\n\r\nhello");
  abort(server);
  EXPECT_EQ(ends[&client], tcp::End::reset);
  expect_nothing_left();
}

TEST_F(HttpRetryTest, LetsNothingBehindAResponseReachTheNextOne) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client);
  read(server);
  send(server, std::string(kOk) + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  EXPECT_EQ(read(client), kOk);
  EXPECT_TRUE(servers.empty()) << "its connection was not kept";
  send(ask(client), kOk);
  EXPECT_EQ(read(client), kOk);
  expect_nothing_left();
}

TEST_F(HttpRetryTest, TakesNothingThatWasSaidBeforeItHasAsked) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client);
  read(server);
  send(server, kOk);
  EXPECT_EQ(read(client), kOk);
  // The next request, and what nobody has asked for, come at the same time.
  const std::string request = kGet, stray = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
  stack(kOutside).send(client, reinterpret_cast<const uint8_t*>(request.data()), static_cast<uint32_t>(request.size()));
  send(server, stray);
  ASSERT_EQ(servers.size(), 1u);
  EXPECT_NE(servers[0], &server);
  EXPECT_EQ(read(*servers[0]), kGet);
  send(*servers[0], kOk);
  EXPECT_EQ(read(client), kOk);
  expect_nothing_left();
}

TEST_F(HttpRetryTest, RefusesABodyThatHasComeBeforeItsEndpointCould) {
  make();
  tcp::Connection& client = open_client();
  send(client, "POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n");
  EXPECT_EQ(status_of(read(client)), "HTTP/1.1 400");
  EXPECT_TRUE(client.peer_closed());
  tcp::Connection& next = open_client();
  send(ask(next), kOk);
  EXPECT_EQ(read(next), kOk);
  expect_nothing_left();
}

TEST_F(HttpRetryTest, AnswersForAnEndpointThatSaysNothing) {
  rule().backend_timeout = 2 * kSecond;
  make();
  tcp::Connection& client = open_client();
  ask(client);
  run(3 * kSecond);
  EXPECT_EQ(status_of(read(client)), "HTTP/1.1 504");
  expect_nothing_left();
}

TEST_F(HttpRetryTest, TriesAgainWhenATryHasTimedOut) {
  rule().backend_timeout = 2 * kSecond;
  rule().retry = RetrySettings{.codes = {}, .timeout = true};
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& stopped = ask(client);
  run(3 * kSecond);
  ASSERT_TRUE(ends.contains(&stopped)) << "no late response reaches anybody";
  ASSERT_EQ(servers.size(), 1u);
  EXPECT_EQ(read(*servers[0]), kGet);
  send(*servers[0], kOk);
  EXPECT_EQ(read(client), kOk);
  // The time of a second one ends it.
  ask(client);
  run(6 * kSecond);
  EXPECT_EQ(status_of(read(client)), "HTTP/1.1 504");
  EXPECT_EQ(http_counters[listener].retries.read(), 2u);
  expect_nothing_left();
}

TEST_F(HttpRetryTest, TriesAgainWhenNoConnectionHasComeInTime) {
  policy.shop.endpoints.clear();
  add_endpoint(80);
  add_endpoint(80);
  rule().backend_timeout = kSecond / 2;
  rule().retry = RetrySettings{.codes = {}, .timeout = true};
  make();
  tcp::Connection& client = open_client();
  stack(kOutside).unlisten(pair->side(kOutside).listener);
  const std::string post = "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n";
  send(client, post);
  run(kSecond * 9 / 20);
  stack(kOutside).listen_as(pair->side(kOutside).listener, 16);
  run(kSecond / 4);
  EXPECT_EQ(policy.avoided, 0u);
  ASSERT_EQ(servers.size(), 1u);
  EXPECT_EQ(read(*servers[0]), post) << "it was sent to nobody before, whatever its method";
  send(*servers[0], kOk);
  EXPECT_EQ(read(client), kOk);
  expect_nothing_left();
}

TEST_F(HttpRetryTest, DoesNotTryAgainInTimeWhatHasBegun) {
  rule().backend_timeout = 2 * kSecond;
  rule().retry = RetrySettings{.codes = {}, .timeout = true};
  make();
  tcp::Connection& client = open_client();
  ask(client, "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n");
  run(3 * kSecond);
  EXPECT_EQ(status_of(read(client)), "HTTP/1.1 504") << "it may have been acted on";
  send(ask(client), "HTTP/1.1 103 Early Hints\r\n\r\n");
  run(3 * kSecond);
  EXPECT_EQ(status_of(read(client).substr(28)), "HTTP/1.1 504") << "its response has begun";
  EXPECT_EQ(http_counters[listener].retries.read(), 0u);
  expect_nothing_left();
}

TEST_F(HttpRetryTest, AnswersForAnEndpointThatIsNoServer) {
  make();
  tcp::Connection& client = open_client();
  send(ask(client), "220 mail.example ESMTP\r\n");
  EXPECT_EQ(status_of(read(client)), "HTTP/1.1 502");
  EXPECT_FALSE(client.peer_closed());
  expect_nothing_left();
}

TEST_F(HttpRetryTest, GivesUpAHeadThatDoesNotEnd) {
  settings.header_timeout = 2 * kSecond;
  make();
  tcp::Connection& client = open_client();
  for (int i = 0; i < 5; ++i) {
    send(client, "GET / HTTP/1.1\r\nX: "[i] == 0 ? "" : std::string(1, "GET / HTTP"[i]));
    run(kSecond / 2);
  }
  EXPECT_EQ(status_of(read(client)), "HTTP/1.1 408");
  expect_nothing_left();
}

TEST_F(HttpRetryTest, LetsGoOfAnEndpointWhoseClientIsGone) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client);
  read(server);
  abort(client);
  EXPECT_EQ(ends[&server], tcp::End::reset);
  expect_nothing_left();
}

TEST_F(HttpRetryTest, AnswersAClientThatHasSaidAllItHasToSay) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client);
  stack(kOutside).shut_down(client);
  run();
  send(server, kOk);
  EXPECT_EQ(read(client), kOk);
  EXPECT_TRUE(client.peer_closed());
  expect_nothing_left();
}

TEST_F(HttpRetryTest, PassesOverAnEndpointThatFails) {
  policy.shop.http.eject_failures = 3;
  make();
  tcp::Connection& client = open_client();
  stack(kOutside).unlisten(pair->side(kOutside).listener);
  relay_settings.connect_timeout = kSecond;
  relay->configure(listener, relay_settings, &settings);
  for (int i = 0; i < 3; ++i) {
    send(client, kGet);
    run(2 * kSecond);
    EXPECT_EQ(status_of(read(client)), "HTTP/1.1 503");
  }
  EXPECT_EQ(policy.passed_over, std::vector<uint32_t>{0});
  stack(kOutside).listen_as(pair->side(kOutside).listener, 16);
  expect_nothing_left();
}

}  // namespace
}  // namespace flatproxy::test
