// What is counted and told of exchanges.
#include <gtest/gtest.h>

#include "support/http_rig.h"

namespace flatproxy {
namespace {

struct HttpAccount : test::HttpRig {
  const Log::Entry& told() {
    EXPECT_FALSE(log.entries.empty());
    return log.entries.back();
  }
  ExchangeCounters& of_route() { return route_counters.at(kRoute); }
  ExchangeCounters& of_endpoint(uint32_t id = 0) { return endpoint_counters.at(id); }
  static uint64_t total(const Histogram& histogram) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < histogram::kBuckets; ++i) count += histogram.read(i);
    return count;
  }
};

TEST_F(HttpAccount, TellsAnExchangeOnceWithSizesAndTimes) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client,
                                "POST /cart?id=1 HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n"
                                "User-Agent: curl/8\r\nReferer: http://a/\r\nX-Request-ID: r1\r\n\r\nhello");
  EXPECT_EQ(of_route().active.read(), 1u);
  EXPECT_EQ(of_endpoint().active.read(), 1u);
  EXPECT_TRUE(log.entries.empty());
  send(server, "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  send(server, "4\r\ndefg\r\n0\r\n\r\n");
  ASSERT_EQ(log.entries.size(), 1u);
  EXPECT_EQ(told().status, 201);
  EXPECT_EQ(told().outcome, Outcome::completed);
  EXPECT_EQ(told().bytes_up, 5u);
  EXPECT_EQ(told().bytes_down, 7u);
  EXPECT_EQ(told().tries, 1);
  EXPECT_EQ(told().endpoint_port, 8000);
  EXPECT_EQ(told().text(ExchangeText::method), "POST");
  EXPECT_EQ(told().text(ExchangeText::target), "/cart?id=1");
  EXPECT_EQ(told().text(ExchangeText::authority), "shop.example");
  EXPECT_EQ(told().text(ExchangeText::route), "shop");
  EXPECT_EQ(told().text(ExchangeText::user_agent), "curl/8");
  EXPECT_EQ(told().text(ExchangeText::referer), "http://a/");
  EXPECT_EQ(told().text(ExchangeText::request_id), "r1");
  EXPECT_LT(told().began, told().answered);
  EXPECT_LT(told().answered, told().ended);
  for (ExchangeCounters* each : {&of_route(), &of_endpoint()}) {
    EXPECT_EQ(each->requests.read(), 1u);
    EXPECT_EQ(each->active.read(), 0u);
    EXPECT_EQ(each->statuses[1].read(), 1u);
    EXPECT_EQ(each->bytes_up.read(), 5u);
    EXPECT_EQ(each->bytes_down.read(), 7u);
    EXPECT_EQ(total(each->latency), 1u);
    EXPECT_GT(each->latency.sum(), 0u);
  }
  expect_nothing_left();
}

TEST_F(HttpAccount, TellsWhatIsRefusedAndWhatHasNoRoute) {
  rule();
  route.rules[0].matches[0].path = "/only";
  make();
  send(open_client(), "GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(told().outcome, Outcome::no_route);
  EXPECT_EQ(told().status, 404);
  EXPECT_EQ(told().text(ExchangeText::target), "/other");
  EXPECT_EQ(told().text(ExchangeText::route), "");
  send(open_client(), "GET / HTTP/1.1\r\nHost : a\r\n\r\n");
  EXPECT_EQ(told().outcome, Outcome::bad_request);
  EXPECT_EQ(told().status, 400);
  EXPECT_EQ(told().text(ExchangeText::method), "");
  EXPECT_EQ(log.entries.size(), 2u);
  EXPECT_EQ(of_route().requests.read(), 0u);
  expect_nothing_left();
}

TEST_F(HttpAccount, CountsNoContentOfAnAnswerToHead) {
  rule().direct = DirectResponse{.status = 200, .headers = {}, .body = "twelve bytes"};
  make();
  tcp::Connection& client = open_client();
  send(client, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(told().outcome, Outcome::answered);
  EXPECT_EQ(told().bytes_down, 0u);
  send(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(told().bytes_down, 12u);
  EXPECT_EQ(told().tries, 0);
  EXPECT_EQ(told().endpoint_port, 0);
  EXPECT_EQ(of_route().statuses[1].read(), 2u);
  expect_nothing_left();
}

TEST_F(HttpAccount, CountsAnEndpointThatCutsItsResponse) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client);
  send(server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1234");
  abort(server);
  EXPECT_EQ(told().outcome, Outcome::endpoint_reset);
  EXPECT_EQ(told().status, 200);
  EXPECT_EQ(told().bytes_down, 4u);
  EXPECT_EQ(of_endpoint().failures.read(), 1u);
  EXPECT_EQ(of_endpoint().bytes_down.read(), 4u);
  EXPECT_EQ(total(of_endpoint().latency), 0u);
  EXPECT_EQ(log.entries.size(), 1u);
  expect_nothing_left();
}

TEST_F(HttpAccount, PassesOverAnEndpointThatCutsItsResponses) {
  policy.shop.http.eject_failures = 2;
  make();
  for (int i = 0; i < 2; ++i) {
    tcp::Connection& server = ask(open_client());
    send(server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1234");
    EXPECT_TRUE(policy.passed_over.empty());
    abort(server);
  }
  EXPECT_EQ(policy.passed_over, std::vector<uint32_t>{0});
  expect_nothing_left();
}

TEST_F(HttpAccount, CountsTriesWhereTheyWereMade) {
  add_endpoint(8001);
  rule().retry = RetrySettings{.attempts = 1, .codes = {503}, .backoff = 1'000'000};
  make();
  tcp::Connection& client = open_client();
  send(ask(client), "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
  run();
  send(*servers.back(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(told().tries, 2);
  EXPECT_EQ(told().status, 200);
  EXPECT_EQ(log.entries.size(), 1u);
  EXPECT_EQ(of_route().requests.read(), 1u);
  EXPECT_EQ(of_route().retries.read(), 1u);
  EXPECT_EQ(of_route().statuses[1].read(), 1u);
  EXPECT_EQ(of_route().statuses[4].read(), 0u);
  EXPECT_EQ(of_endpoint(0).statuses[4].read() + of_endpoint(1).statuses[4].read(), 1u);
  EXPECT_EQ(of_endpoint(0).retries.read() + of_endpoint(1).retries.read(), 1u);
  EXPECT_EQ(of_endpoint(0).active.read() + of_endpoint(1).active.read(), 0u);
  expect_nothing_left();
}

TEST_F(HttpAccount, TellsTheTraceThatARequestIsOf) {
  settings.trace = HttpSettings::Trace::start;
  make();
  const std::string given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  std::string request = "GET / HTTP/1.1\r\nHost: a\r\nTraceparent: ";
  tcp::Connection& client = open_client();
  send(ask(client, request.append(given).append("\r\n\r\n")), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(told().text(ExchangeText::traceparent), given);
  tcp::Connection& server = ask(client);
  const std::string sent = read(server);
  send(server, "HTTP/1.1 204 No Content\r\n\r\n");
  const std::string& began = told().text(ExchangeText::traceparent);
  EXPECT_EQ(began.size(), given.size());
  std::string line = "traceparent: ";
  EXPECT_NE(sent.find(line.append(began)), std::string::npos) << sent;
  expect_nothing_left();
}

TEST_F(HttpAccount, TellsWhenAClientGoes) {
  make();
  tcp::Connection& client = open_client();
  ask(client);
  abort(client);
  EXPECT_EQ(told().outcome, Outcome::client_gone);
  EXPECT_EQ(told().status, 0);
  EXPECT_EQ(log.entries.size(), 1u);
  EXPECT_EQ(of_route().active.read(), 0u);
  EXPECT_EQ(of_endpoint().failures.read(), 0u);
  expect_nothing_left();
}

}  // namespace
}  // namespace flatproxy
