// Requests of clients that policies do not let have their endpoint, or the listener.
#include <utility>

#include "support/http_rig.h"

namespace flatproxy::test {
namespace {

struct HttpPolicyTest : HttpRig {
  /// What policies say of the endpoint, and of the listener.
  void deny_endpoint(Reason why, uint16_t port = 8000) {
    policy.denied[{*wire::Address::parse("10.0.0.1"), port}] = why;
  }
  void deny_listener(const tcp::Connection& client) {
    policy.denied[{client.tuple.destination, client.tuple.destination_port}] = Reason::policy_denied;
  }
  uint64_t outcomes(Outcome outcome) { return http_counters[listener].outcomes[static_cast<size_t>(outcome)].read(); }
};

TEST_F(HttpPolicyTest, AnswersThatAnEndpointIsNotForTheClient) {
  for (const auto& [why, outcome] : {std::pair{Reason::policy_denied, Outcome::policy_denied},
                                     std::pair{Reason::policy_rejected, Outcome::policy_rejected},
                                     std::pair{Reason::policy_default_deny, Outcome::policy_default_deny}}) {
    deny_endpoint(why);
    make();
    tcp::Connection& client = open_client();
    send(client, kGet);
    EXPECT_EQ(read(client).substr(0, 22), "HTTP/1.1 403 Forbidden");
    EXPECT_EQ(outcomes(outcome), 1u);
    EXPECT_EQ(std::exchange(policy.told_refused, 0), 1);
    ASSERT_FALSE(log.entries.empty());
    EXPECT_EQ(log.entries.back().outcome, outcome);
    EXPECT_EQ(log.entries.back().status, 403);
    EXPECT_EQ(log.entries.back().tries, 0);
    EXPECT_TRUE(servers.empty()) << "the endpoint has seen nothing of it";
    // The connection may be used for what is allowed.
    policy.denied.clear();
    send(ask(client), kOk);
    EXPECT_EQ(read(client), kOk);
    expect_nothing_left();
  }
}

TEST_F(HttpPolicyTest, AsksNoOtherEndpointInPlaceOfOneThatIsDenied) {
  add_endpoint(8001);
  deny_endpoint(Reason::policy_denied);
  make();
  tcp::Connection& client = open_client();
  send(client, kGet);
  EXPECT_EQ(read(client).substr(0, 12), "HTTP/1.1 403");
  send(ask(client), kOk);
  EXPECT_EQ(read(client), kOk) << "the second one's turn";
  expect_nothing_left();
}

TEST_F(HttpPolicyTest, TakesNobodyWhomPoliciesDenyByNow) {
  make();
  policy.denied[{*wire::Address::parse("10.0.0.2"), uint16_t{80}}] = Reason::policy_denied;
  tcp::Connection& client = open_client();
  EXPECT_EQ(ends.at(&client), tcp::End::reset);
  EXPECT_EQ(counters[listener].denied.read(), 1u);
  EXPECT_EQ(policy.told_refused, 1);
  EXPECT_EQ(relay->active(), 0u);
  expect_nothing_left();
}

TEST_F(HttpPolicyTest, EndsIdleConnectionsToAListenerThatIsDenied) {
  make();
  tcp::Connection& client = open_client();
  EXPECT_FALSE(relay->end_if_denied(0));
  deny_listener(client);
  EXPECT_TRUE(relay->end_if_denied(0));
  EXPECT_FALSE(relay->end_if_denied(0)) << "it is gone";
  EXPECT_FALSE(relay->end_if_denied(7)) << "there was none";
  run();
  EXPECT_EQ(ends.at(&client), tcp::End::reset);
  EXPECT_EQ(counters[listener].denied.read(), 1u);
  expect_nothing_left();
}

TEST_F(HttpPolicyTest, AndThoseWithARequest) {
  make();
  tcp::Connection& client = open_client();
  ask(client);
  deny_listener(client);
  EXPECT_TRUE(relay->end_if_denied(0));
  run();
  EXPECT_EQ(ends.at(&client), tcp::End::reset);
  EXPECT_EQ(outcomes(Outcome::policy_denied), 1u);
  EXPECT_TRUE(servers.empty()) << "the endpoint's side was reset, too";
  expect_nothing_left();
}

TEST_F(HttpPolicyTest, AnswersForAnEndpointThatIsDeniedBeforeItHas) {
  make();
  tcp::Connection& client = open_client();
  ask(client);
  EXPECT_FALSE(relay->end_if_denied(0));
  deny_endpoint(Reason::policy_rejected);
  EXPECT_TRUE(relay->end_if_denied(0));
  run();
  EXPECT_EQ(read(client).substr(0, 12), "HTTP/1.1 403");
  EXPECT_EQ(outcomes(Outcome::policy_rejected), 1u);
  EXPECT_TRUE(servers.empty());
  expect_nothing_left();
}

TEST_F(HttpPolicyTest, CutsAResponseOfOneThatIsDenied) {
  make();
  tcp::Connection& client = open_client();
  send(ask(client), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok");
  deny_endpoint(Reason::policy_denied);
  EXPECT_TRUE(relay->end_if_denied(0));
  run();
  EXPECT_EQ(ends.at(&client), tcp::End::reset);
  EXPECT_EQ(outcomes(Outcome::policy_denied), 1u);
  expect_nothing_left();
}

TEST_F(HttpPolicyTest, LeavesWhatIsTriedAgainToItsNextEndpoint) {
  add_endpoint(8001);
  rule().retry = RetrySettings{.codes = {}, .backoff = kSecond};
  make();
  tcp::Connection& client = open_client();
  abort(ask(client));
  deny_endpoint(Reason::policy_denied);
  EXPECT_FALSE(relay->end_if_denied(0)) << "the endpoint that has failed is not asked again";
  run(2 * kSecond);
  ASSERT_FALSE(servers.empty());
  send(*servers.back(), kOk);
  EXPECT_EQ(read(client), kOk);
  expect_nothing_left();
}

}  // namespace
}  // namespace flatproxy::test
