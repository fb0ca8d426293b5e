#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "route/table.h"
#include "support/reference_routes.h"

namespace flatproxy {
namespace {

using test::TestRequest;

/// Routes and requests out of few words, so that most requests meet several matches, many of them alike.
class Words {
 public:
  explicit Words(uint32_t seed) : random_(seed) {}

  std::vector<HttpRoute> routes() {
    std::vector<HttpRoute> routes(2 + below(12));
    for (HttpRoute& route : routes) {
      route.listeners.resize(1 + below(2));
      for (auto& at : route.listeners) at = {listener(), one_of({"", "", "", "", "a.b", "*.b", "*.a.b"})};
      route.hostnames.resize(below(3));
      for (auto& name : route.hostnames) name = one_of({"a.b", "a.b", "*.b", "*.b", "a.a.b", "*.a.b", "*.a.a.b", "b"});
      route.rules.resize(below(5));
      for (auto& rule : route.rules) {
        rule.rule.route = static_cast<uint32_t>(&route - routes.data());
        rule.matches.resize(1 + below(3));
        for (HttpMatch& each : rule.matches) each = match();
      }
    }
    return routes;
  }

  TestRequest request() {
    TestRequest request;
    request.host = one_of({"a.b", "a.b", "a.b", "A.B:80", "A.b.", "b", "a.a.b", "b.a.b", "a.a.a.b", "c", ".b", ""});
    request.path =
        one_of({"/a", "/a", "/a/b", "/a/b", "", "/", "/a/", "/ab", "/a/b/", "/a/b/a", "/b", "/b/a", "/a//b", "//"});
    request.query =
        one_of({"", "q=1", "q=1", "q=2", "q=1&p=1", "p=1&q=2&q=1", "p&q=%31", "q=+", "%71=1&p=%2", "&&q=1=1"});
    request.method = one_of({"GET", "GET", "PUT", "get"});
    for (uint32_t i = below(5); i > 0; --i)
      request.fields.emplace_back(one_of({"x", "x", "X", "y", "Y", "z"}), one_of({"1", "1", "2", "12", ""}));
    return request;
  }

  uint32_t listener() { return below(8) == 0 ? 1 : 0; }
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }

 private:
  const char* one_of(std::initializer_list<const char*> words) {
    return words.begin()[below(static_cast<uint32_t>(words.size()))];
  }

  HttpMatch match() {
    HttpMatch match;
    switch (below(4)) {
      case 0:
        match.path_kind = HttpMatch::Path::exact;
        match.path = one_of({"/", "/a", "/a/", "/a/b", "/b", "/ab"});
        break;
      case 1:
        match.path_kind = HttpMatch::Path::regex;
        match.path = one_of({"/a.*", "/.*b", "/[ab]", "/a", ".*", "/(a|b)(/.*)?"});
        break;
      default:
        match.path = one_of({"/", "/", "/a", "/a/", "/a/b", "/b", "/a/b/a"});
    }
    match.method = one_of({"", "", "", "GET", "GET", "PUT"});
    if (below(3) == 0) match.headers.push_back({"x", "", false});
    if (below(3) == 0) match.headers.push_back({"y", "", false});
    if (below(4) == 0) match.query.push_back({"q", "", false});
    if (below(4) == 0) match.query.push_back({"p", "", false});
    for (auto* values : {&match.headers, &match.query}) {
      for (ValueMatch& value : *values) {
        value.regex = below(4) == 0;
        value.value = value.regex ? one_of({".*", "1.*", "[12]+"}) : one_of({"1", "1", "2", "", " ", "1, 2"});
      }
    }
    return match;
  }

  std::mt19937 random_;
};

std::string told(const TestRequest& request) {
  std::string text = request.method + " " + request.host + request.path + "?" + request.query;
  for (const auto& [name, value] : request.fields) text.append(", ").append(name).append(": ").append(value);
  return text;
}

/// (route, rule) of a rule of a table or of what it was made of.
std::pair<uint32_t, size_t> place(const std::vector<HttpRoute>& routes, const HttpRule* rule) {
  const auto& rules = routes[rule->route].rules;
  const auto at = std::ranges::find_if(rules, [&](const HttpRoute::Rule& each) { return &each.rule == rule; });
  return {rule->route, static_cast<size_t>(at - rules.begin())};
}

TEST(RouteReference, FindsWhatTheObviousCodeFinds) {
#ifdef FLATPROXY_SANITIZED
  constexpr uint32_t kTables = 200;
#else
  constexpr uint32_t kTables = 2000;
#endif
  constexpr uint32_t kRequests = 500;
  uint32_t found = 0;
  for (uint32_t seed = 0; seed < kTables; ++seed) {
    Words words(seed);
    const std::vector<HttpRoute> routes = words.routes();
    const route::Table table(routes);
    for (uint32_t i = 0; i < kRequests; ++i) {
      const TestRequest asked = words.request();
      const http::RequestHead head = asked.head();
      const route::Request request{asked.host, asked.path, asked.query, head};
      const uint32_t listener = words.listener();
      const route::Found expected = test::reference_find(routes, listener, request);
      const route::Found got = table.find(listener, request);
      ASSERT_EQ(got.rule == nullptr, expected.rule == nullptr) << "seed " << seed << ": " << told(asked);
      if (got.rule == nullptr) continue;
      ++found;
      ASSERT_EQ(place(table.routes(), got.rule), place(routes, expected.rule))
          << "seed " << seed << ": " << told(asked);
      ASSERT_EQ(got.prefix_length, expected.prefix_length) << "seed " << seed << ": " << told(asked);
    }
  }
  EXPECT_GT(found, kTables * kRequests / 4);
}

}  // namespace
}  // namespace flatproxy
