// Requests that go where a cookie says.
#include <set>

#include "support/http_rig.h"

namespace flatproxy::test {
namespace {

struct HttpAffinityTest : HttpRig {
  HttpAffinityTest() {
    policy.shop.endpoints.clear();
    policy.shop.http.affinity_cookie = "sid";
    policy.cart.id = 1;
    policy.cart.http.affinity_cookie = "cart";
    for (uint16_t port = 8000; port < 8003; ++port) add_endpoint(port);
    for (uint32_t id = 10; id < 12; ++id) {
      policy.cart.endpoints.push_back(policy.shop.endpoints[0]);
      policy.cart.endpoints.back().id = id;
      policy.cart.endpoints.back().port = static_cast<uint16_t>(9000 + id);
    }
    name_endpoints();
  }

  /// As a snapshot's services have it.
  void name_endpoints() {
    for (Service* service : {&policy.shop, &policy.cart}) {
      std::vector<AffinityTable::Entry> entries;
      for (uint32_t i = 0; i < service->endpoints.size(); ++i) {
        entries.push_back({affinity_value(service->endpoints[i].address, service->endpoints[i].port), i});
      }
      service->affinity = AffinityTable(std::move(entries));
    }
  }

  struct Answer {
    uint16_t port;       ///< of the endpoint that has answered
    std::string cookie;  ///< that was set; empty: none was
  };
  /// A request with these fields, of a client of its own.
  Answer request(const std::string& fields) {
    tcp::Connection& client = open_client();
    send(client, "GET / HTTP/1.1\r\nHost: shop\r\n" + fields + "\r\n");
    return answer(client);
  }
  /// Whichever server was asked answers.
  Answer answer(tcp::Connection& client) {
    for (tcp::Connection* server : servers) {
      if (server->received.empty()) continue;
      const uint16_t port = server->tuple.source_port;
      read(*server);
      send(*server, kOk);
      const std::string response = read(client);
      EXPECT_EQ(response.substr(0, 15), "HTTP/1.1 200 OK");
      return {port, cookie_in(response)};
    }
    ADD_FAILURE() << "nobody was asked";
    return {};
  }
  static std::string cookie_in(const std::string& response) {
    const std::string name = "\r\nSet-Cookie: ";
    const size_t at = response.find(name);
    if (at == std::string::npos) return "";
    EXPECT_EQ(response.find(name, at + 1), std::string::npos) << response;
    const size_t from = at + name.size();
    return response.substr(from, response.find("\r\n", from) - from);
  }
  std::string text_of(uint32_t index) const {
    const AffinityText text =
        affinity_text(affinity_value(policy.shop.endpoints[index].address, policy.shop.endpoints[index].port));
    return {text.data(), text.size()};
  }
  std::string cookie_to(uint32_t index) const { return "Cookie: sid=" + text_of(index) + "\r\n"; }
  std::string set_to(uint32_t index) const { return "sid=" + text_of(index) + "; Path=/; HttpOnly"; }
};

TEST_F(HttpAffinityTest, NamesAnEndpointAtFirstAndKeepsIt) {
  make();
  const Answer first = request("");
  EXPECT_EQ(first.port, 8000);
  EXPECT_EQ(first.cookie, set_to(0));
  const std::string cookie = "Cookie: " + first.cookie.substr(0, first.cookie.find(';')) + "\r\n";
  for (int i = 0; i < 5; ++i) {
    const Answer again = request(cookie);
    EXPECT_EQ(again.port, 8000);
    EXPECT_EQ(again.cookie, "");
  }
  EXPECT_EQ(policy.turn, 1u) << "nothing was balanced";
  const Answer other = request("");
  EXPECT_EQ(other.port, 8001);
  EXPECT_EQ(other.cookie, set_to(1));
  expect_nothing_left();
}

TEST_F(HttpAffinityTest, SaysHowLongTheCookieLives) {
  policy.shop.http.affinity_ttl = 3600;
  make();
  EXPECT_EQ(request("").cookie, set_to(0) + "; Max-Age=3600");
  expect_nothing_left();
}

TEST_F(HttpAffinityTest, ReadsItsCookieAmongOthers) {
  make();
  for (const std::string& fields :
       {"Cookie: a=b; sid=" + text_of(2) + "; c=d\r\n",
        "Cookie: sid2=" + text_of(1) + "\r\nX: y\r\nCookie: xsid=1; sid=" + text_of(2) + "\r\n",
        "Cookie: sid=" + text_of(2) + "; sid=" + text_of(1) + "\r\n"}) {
    const Answer got = request(fields);
    EXPECT_EQ(got.port, 8002) << fields;
    EXPECT_EQ(got.cookie, "") << fields;
  }
  expect_nothing_left();
}

TEST_F(HttpAffinityTest, BalancesWhatNamesNobody) {
  make();
  uint32_t turn = 0;
  for (const std::string& value :
       {std::string(), std::string("x"), std::string("0123456789abcdef"), text_of(1) + "0", text_of(1).substr(1),
        "\"" + text_of(1) + "\"", "0x" + text_of(1).substr(2), "-" + text_of(1).substr(1), std::string(4000, 'f')}) {
    const Answer got = request("Cookie: sid=" + value + "\r\n");
    EXPECT_EQ(got.port, 8000 + turn % 3) << value;
    EXPECT_EQ(got.cookie, set_to(turn++ % 3)) << value;
  }
  expect_nothing_left();
}

TEST_F(HttpAffinityTest, MovesAClientWhoseEndpointIsGone) {
  make();
  const std::string cookie = cookie_to(2);
  policy.shop.endpoints.pop_back();
  name_endpoints();
  const Answer got = request(cookie);
  EXPECT_EQ(got.port, 8000);
  EXPECT_EQ(got.cookie, set_to(0));
  expect_nothing_left();
}

TEST_F(HttpAffinityTest, MovesAClientWhoseEndpointIsOfNoUseUnlessAllAre) {
  make();
  policy.down = {2};
  const Answer got = request(cookie_to(2));
  EXPECT_EQ(got.port, 8000);
  EXPECT_EQ(got.cookie, set_to(0));
  policy.down = {0, 1, 2};
  const Answer panic = request(cookie_to(2));
  EXPECT_EQ(panic.port, 8002);
  EXPECT_EQ(panic.cookie, "");
  expect_nothing_left();
}

TEST_F(HttpAffinityTest, LeavesClientsWithAnEndpointThatIsDrained) {
  make();
  policy.shop.endpoints[1].drain = true;
  for (int i = 0; i < 3; ++i) {
    const Answer kept = request(cookie_to(1));
    EXPECT_EQ(kept.port, 8001);
    EXPECT_EQ(kept.cookie, "");
    EXPECT_NE(request("").port, 8001);
  }
  policy.down = {1};
  EXPECT_NE(request(cookie_to(1)).port, 8001);
  for (Endpoint& endpoint : policy.shop.endpoints) endpoint.drain = true;
  EXPECT_EQ(request(cookie_to(1)).port, 8001) << "there is no other";
  expect_nothing_left();
}

TEST_F(HttpAffinityTest, MovesAClientWhoseRequestIsTriedElsewhere) {
  rule().retry = RetrySettings{.attempts = 1, .codes = {503}};
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client, "GET / HTTP/1.1\r\nHost: shop\r\n" + cookie_to(0) + "\r\n");
  EXPECT_EQ(server.tuple.source_port, 8000);
  read(server);
  send(server, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
  run(kSecond);
  const Answer got = answer(client);
  EXPECT_EQ(got.port, 8001);
  EXPECT_EQ(got.cookie, set_to(1));
  expect_nothing_left();
}

TEST_F(HttpAffinityTest, StaysWhereARetryHasNoOther) {
  policy.shop.endpoints.resize(1);
  name_endpoints();
  rule().retry = RetrySettings{.attempts = 1, .codes = {503}};
  make();
  tcp::Connection& client = open_client();
  tcp::Connection& server = ask(client, "GET / HTTP/1.1\r\nHost: shop\r\n" + cookie_to(0) + "\r\n");
  read(server);
  send(server, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
  run(kSecond);
  EXPECT_EQ(answer(client).cookie, "");
  expect_nothing_left();
}

TEST_F(HttpAffinityTest, DoesNotTakeTheCookieOfOneServiceForThatOfAnother) {
  rule().backends = {HttpBackend{}, HttpBackend{}};
  rule().backends[1].service = 1;
  for (const char* name : {"cart", "sid"}) {
    policy.cart.http.affinity_cookie = name;
    make();
    std::set<uint16_t> ports;
    for (int i = 0; i < 4; ++i) {
      const Answer got = request(cookie_to(2));
      ports.insert(got.port);
      if (got.port < 9000) {
        EXPECT_EQ(got.port, 8002);
        EXPECT_EQ(got.cookie, "");
      } else {
        EXPECT_EQ(got.cookie.substr(0, std::string(name).size() + 1), std::string(name) + "=");
      }
    }
    EXPECT_EQ(ports, (std::set<uint16_t>{8002, 9010, 9011}));
    expect_nothing_left();
  }
}

TEST_F(HttpAffinityTest, SetsNothingWithAnAnswerOfOurOwnOrWithoutACookie) {
  policy.shop.http.affinity_cookie.clear();
  make();
  EXPECT_EQ(request("").cookie, "");
  policy.shop.http.affinity_cookie = "sid";
  policy.shop.endpoints.clear();
  name_endpoints();
  tcp::Connection& client = open_client();
  send(client, kGet);
  const std::string response = read(client);
  EXPECT_EQ(response.substr(0, 12), "HTTP/1.1 503");
  EXPECT_EQ(cookie_in(response), "");
  expect_nothing_left();
}

TEST(AffinityTable, FindsEachOfManyByItsText) {
  std::vector<AffinityTable::Entry> entries;
  std::set<uint64_t> values;
  const auto value_of = [](uint32_t i) {
    const wire::Address address =
        *wire::Address::parse("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256));
    return affinity_value(address, static_cast<uint16_t>(80 + i % 3));
  };
  for (uint32_t i = 0; i < 5000; ++i) {
    entries.push_back({value_of(i), i});
    values.insert(value_of(i));
  }
  EXPECT_EQ(values.size(), entries.size());
  const AffinityTable table(std::move(entries));
  for (uint32_t i = 0; i < 5000; ++i) {
    const AffinityText text = affinity_text(value_of(i));
    EXPECT_EQ(table.find({text.data(), text.size()}), i);
  }
  EXPECT_EQ(table.find("0000000000000001"), AffinityTable::kNone);
  EXPECT_EQ(AffinityTable().find("0000000000000001"), AffinityTable::kNone);
}

TEST(AffinityTable, NamesAnEndpointAlikeEverywhere) {
  const auto text = [](const char* address, uint16_t port) {
    const AffinityText written = affinity_text(affinity_value(*wire::Address::parse(address), port));
    return std::string(written.data(), written.size());
  };
  EXPECT_EQ(text("10.0.0.1", 80), "da30445fe61c6f02");
  EXPECT_EQ(text("10.0.0.1", 81), "b322ac74360d8f4d");
  EXPECT_EQ(text("2001:db8::1", 80), "5257743a7269a901");
  const AffinityText small = affinity_text(0xab);
  EXPECT_EQ(std::string(small.data(), small.size()), "00000000000000ab");
}

}  // namespace
}  // namespace flatproxy::test
