// Requests and responses as clients and endpoints see them.
#include "support/http_rig.h"

namespace flatproxy::test {
namespace {

using HttpRelayTest = HttpRig;

TEST_F(HttpRelayTest, PassesARequestOnAndItsResponseBack) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client, "GET /a?b=c HTTP/1.1\r\nHost: shop\r\nAccept: */*\r\n\r\n");
  EXPECT_EQ(read(server), "GET /a?b=c HTTP/1.1\r\nHost: shop\r\nAccept: */*\r\n\r\n");
  send(server, kOk);
  EXPECT_EQ(read(client), kOk);
  EXPECT_FALSE(client.peer_closed());
  EXPECT_EQ(http_counters[listener].requests.read(), 1u);
  EXPECT_EQ(http_counters[listener].active.read(), 0u);
  EXPECT_EQ(http_counters[listener].statuses[1].read(), 1u);
  EXPECT_EQ(http_counters[listener].outcomes[0].read(), 1u);
  expect_nothing_left();
}

TEST_F(HttpRelayTest, KeepsBothConnectionsForTheNextRequest) {
  make();
  tcp::Connection& client = open_client();
  for (int i = 0; i < 3; ++i) {
    tcp::Connection& server = ask(client);
    EXPECT_NE(read(server), "");
    send(server, kOk);
    EXPECT_EQ(read(client), kOk);
  }
  EXPECT_EQ(servers.size(), 1u);
  tcp::Connection& other = open_client();
  send(ask(other), kOk);
  EXPECT_EQ(read(other), kOk);
  EXPECT_EQ(servers.size(), 1u) << "clients share it";
  expect_nothing_left();
}

TEST_F(HttpRelayTest, AnswersPipelinedRequestsInTheirOrder) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server =
      ask(client,
          "POST /1 HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\n\r\nabc"
          "POST /2 HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
          "GET /3 HTTP/1.1\r\nHost: shop\r\n\r\n");
  EXPECT_EQ(read(server), "POST /1 HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\n\r\nabc");
  send(server, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
  EXPECT_EQ(read(server), "POST /2 HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
  send(server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n2\r\n0\r\n\r\n");
  EXPECT_EQ(read(server), "GET /3 HTTP/1.1\r\nHost: shop\r\n\r\n");
  send(server, "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(read(client),
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n2\r\n0\r\n\r\n"
            "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(servers.size(), 1u);
  expect_nothing_left();
}

TEST_F(HttpRelayTest, RemovesWhatIsAboutOneConnection) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server =
      ask(client,
          "GET http://shop/ HTTP/1.1\r\nHost: shop\r\nConnection: keep-alive, x-secret\r\n"
          "Keep-Alive: 5\r\nX-Secret: 1\r\nProxy-Connection: a\r\nTE: trailers\r\n"
          "Upgrade: h2c\r\nX-Forwarded-For: 9.9.9.9\r\nForwarded: for=9.9.9.9\r\nX-Kept: 1\r\n\r\n");
  EXPECT_EQ(read(server), "GET / HTTP/1.1\r\nHost: shop\r\nX-Kept: 1\r\n\r\n");
  send(server,
       "HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(read(client), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  expect_nothing_left();
}

TEST_F(HttpRelayTest, TellsEndpointsOfTheirClientsIfAsked) {
  settings.forwarded = HttpSettings::Forwarded::x_forwarded;
  settings.via = "node-1";
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client, "GET / HTTP/1.0\r\nHost: shop\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n");
  EXPECT_EQ(read(server),
            "GET / HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Host: shop\r\n"
            "X-Forwarded-Proto: http\r\nVia: 1.0 node-1\r\n\r\n");
  send(server, kOk);
  expect_nothing_left();
}

TEST_F(HttpRelayTest, AddsToWhatATrustedClientSaysOfOthers) {
  settings.forwarded = HttpSettings::Forwarded::forwarded;
  settings.trusted_forwarded = {*wire::Prefix::parse("10.0.0.0/8")};
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client, "GET / HTTP/1.1\r\nHost: shop\r\nForwarded: for=9.9.9.9\r\n\r\n");
  EXPECT_EQ(read(server),
            "GET / HTTP/1.1\r\nHost: shop\r\nForwarded: for=9.9.9.9, for=10.0.0.1;host=\"shop\";proto=http\r\n\r\n");
  send(server, kOk);
  expect_nothing_left();
}

TEST_F(HttpRelayTest, ChangesHeadsAsTheRuleSays) {
  rule().request = {{{"x-set", "new"}}, {{"x-add", "2"}}, {"x-gone"}};
  rule().backends[0].request = {{{"x-set", "newer"}}, {}, {}};
  rule().response = {{}, {{"x-answered", "yes"}}, {"server"}};
  rule().rewrite = UrlRewrite{"inner", PathChange{true, "/v2"}};
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server =
      ask(client, "GET /a/../b HTTP/1.1\r\nHost: shop\r\nX-Set: old\r\nX-Add: 1\r\nX-Gone: 1\r\n\r\n");
  EXPECT_EQ(read(server), "GET /v2/b HTTP/1.1\r\nHost: inner\r\nX-Add: 1\r\nx-add: 2\r\nx-set: newer\r\n\r\n");
  send(server, "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(read(client), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-answered: yes\r\n\r\n");
  expect_nothing_left();
}

TEST_F(HttpRelayTest, SpeaksHttp10WithThoseWhoDo) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client, "GET / HTTP/1.0\r\nHost: shop\r\n\r\n");
  send(server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\n\r\n");
  EXPECT_EQ(read(client), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
  EXPECT_TRUE(client.peer_closed());
  tcp::Connection& kept = open_client();
  send(ask(kept, "GET / HTTP/1.0\r\nHost: shop\r\nConnection: keep-alive\r\n\r\n"), kOk);
  EXPECT_EQ(read(kept), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok");
  EXPECT_FALSE(kept.peer_closed());
  tcp::Connection& server10 = ask(kept, "GET / HTTP/1.0\r\nHost: shop\r\nExpect: 100-continue\r\n\r\n");
  const std::string passed = read(server10);
  EXPECT_EQ(passed.find("Expect"), std::string::npos) << passed;
  send(server10, kOk);
  expect_nothing_left();
}

TEST_F(HttpRelayTest, EndsAResponseWithItsConnectionWhenTheServerDoes) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client);
  send(server, "HTTP/1.1 200 OK\r\n\r\nhello");
  EXPECT_EQ(read(client), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
  EXPECT_FALSE(client.peer_closed());
  read(server);
  close(server);
  EXPECT_TRUE(client.peer_closed());
  expect_nothing_left();
}

TEST_F(HttpRelayTest, PassesOnWhatComesBeforeTheResponse) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server =
      ask(client, "POST / HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  send(server, "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(read(client), "HTTP/1.1 100 Continue\r\n\r\n");
  send(client, "hi");
  EXPECT_EQ(read(server), "POST / HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi");
  send(server, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(read(client), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  expect_nothing_left();
}

TEST_F(HttpRelayTest, DoesNotWaitForABodyThatWasNotAskedFor) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server =
      ask(client, "POST / HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  send(server, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(read(client), "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(client.peer_closed());
  expect_nothing_left();
}

TEST_F(HttpRelayTest, SwitchesToWebSocketAndPassesEachFin) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server =
      ask(client, "GET /ws HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n");
  EXPECT_EQ(read(server), "GET /ws HTTP/1.1\r\nHost: shop\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  send(server, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhi");
  EXPECT_EQ(read(client), "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhi");
  send(client, "GET / HTTP/1.1");
  EXPECT_EQ(read(server), "GET / HTTP/1.1");
  stack(kOutside).shut_down(client);
  run();
  EXPECT_TRUE(server.peer_closed());
  send(server, "bye");
  EXPECT_EQ(read(client), "bye");
  EXPECT_EQ(counters[listener].bytes_up.read(), std::string("GET / HTTP/1.1").size());
  EXPECT_EQ(counters[listener].bytes_down.read(), std::string("hibye").size());
  stack(kOutside).shut_down(server);
  run();
  EXPECT_TRUE(client.peer_closed());
  expect_nothing_left();
}

TEST_F(HttpRelayTest, TunnelsWhatConnectAsksFor) {
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client, "CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n");
  EXPECT_EQ(read(server), "CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n");
  send(server, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nraw");
  EXPECT_EQ(read(client), "HTTP/1.1 200 OK\r\n\r\nraw");
  send(client, "bytes");
  EXPECT_EQ(read(server), "bytes");
  close(server);
  expect_nothing_left();
}

TEST_F(HttpRelayTest, AnswersByItselfWhatTheRuleSays) {
  rule().redirect.emplace();
  rule().redirect->scheme = "https";
  rule().redirect->path = PathChange{false, "/new"};
  rule().redirect->status = 301;
  make();
  tcp::Connection& client = open_client();
  send(client, "GET /old?a=1 HTTP/1.1\r\nHost: shop:8080\r\n\r\nGET /b HTTP/1.1\r\nHost: shop\r\n\r\n");
  const std::string moved = "HTTP/1.1 301 Moved Permanently\r\nLocation: https://shop/new";
  EXPECT_EQ(read(client), moved + "?a=1\r\nContent-Length: 0\r\n\r\n" + moved + "\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(servers.empty());
  expect_nothing_left();
}

TEST_F(HttpRelayTest, SendsADirectResponseWithoutItsBodyToHead) {
  rule().direct = DirectResponse{.status = 200, .headers = {{"x-by", "us"}}, .body = "hello"};
  make();
  tcp::Connection& client = open_client();
  send(client, "HEAD / HTTP/1.1\r\nHost: shop\r\n\r\n");
  EXPECT_EQ(read(client), "HTTP/1.1 200 OK\r\nx-by: us\r\nContent-Length: 5\r\n\r\n");
  send(client, kGet);
  EXPECT_EQ(read(client), "HTTP/1.1 200 OK\r\nx-by: us\r\nContent-Length: 5\r\n\r\nhello");
  expect_nothing_left();
}

TEST_F(HttpRelayTest, SendsNoBodyWithAStatusThatHasNone) {
  rule().direct = DirectResponse{.status = 204, .headers = {}, .body = "hello"};
  make();
  tcp::Connection& client = open_client();
  send(client, kGet);
  EXPECT_EQ(read(client), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_FALSE(client.peer_closed());
  expect_nothing_left();
}

TEST_F(HttpRelayTest, RefusesWhatIsAmbiguousAndClosesBehindIt) {
  make();
  tcp::Connection& client = open_client();
  send(client, "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET");
  EXPECT_EQ(read(client),
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n"
            "Connection: close\r\n\r\nBad Request\n");
  EXPECT_TRUE(client.peer_closed());
  EXPECT_TRUE(servers.empty());
  expect_nothing_left();
}

TEST_F(HttpRelayTest, HasNoAnswerWithoutARoute) {
  route.hostnames = {"other"};
  make();
  tcp::Connection& client = open_client();
  send(client, kGet);
  EXPECT_EQ(read(client).substr(0, 24), "HTTP/1.1 404 Not Found\r\n");
  EXPECT_FALSE(client.peer_closed());
  expect_nothing_left();
}

TEST_F(HttpRelayTest, HashesWhatTheServiceSays) {
  using Hash = HttpPoolSettings::Hash;
  policy.shop.http.hash_name = "user";
  make();
  tcp::Connection& client = open_client();
  const auto hash_of = [&](const std::string& fields) {
    send(ask(client, "GET / HTTP/1.1\r\nHost: shop\r\n" + fields + "\r\n"), kOk);
    read(client);
    return policy.hashes.back();
  };
  const uint64_t of_client = hash_of("");
  EXPECT_EQ(hash_of("User: a\r\n"), of_client);
  policy.shop.http.hash = Hash::header;
  EXPECT_EQ(hash_of(""), of_client);
  const uint64_t of_a = hash_of("User: a\r\n");
  EXPECT_NE(of_a, of_client);
  EXPECT_EQ(hash_of("X: y\r\nUSER:  a\r\n"), of_a);
  EXPECT_NE(hash_of("User: b\r\n"), of_a);
  policy.shop.http.hash = Hash::cookie;
  EXPECT_EQ(hash_of("User: a\r\n"), of_client);
  EXPECT_EQ(hash_of("Cookie: user2=b; user=a; user=c\r\n"), of_a);
  EXPECT_EQ(hash_of("Cookie: x=user=b\r\nCookie: user=a\r\n"), of_a);
  expect_nothing_left();
}

TEST_F(HttpRelayTest, TakesAHeadInAnyPieces) {
  make();
  tcp::Connection& client = open_client();
  for (const char c : std::string(kGet)) {
    EXPECT_TRUE(servers.empty());
    send(client, std::string(1, c));
  }
  ASSERT_EQ(servers.size(), 1u);
  EXPECT_EQ(read(*servers[0]), kGet);
  for (const char c : std::string(kOk)) send(*servers[0], std::string(1, c));
  EXPECT_EQ(read(client), kOk);
  expect_nothing_left();
}

}  // namespace
}  // namespace flatproxy::test
