#include "route/table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "packet/error.h"
#include "support/reference_routes.h"

namespace flatproxy {
namespace {

using test::TestRequest;
using Path = HttpMatch::Path;

HttpMatch match_of(Path kind, std::string path) {
  HttpMatch match;
  match.path_kind = kind;
  match.path = std::move(path);
  return match;
}
HttpMatch prefix(std::string path) { return match_of(Path::prefix, std::move(path)); }
HttpMatch exact(std::string path) { return match_of(Path::exact, std::move(path)); }
HttpMatch regex(std::string path) { return match_of(Path::regex, std::move(path)); }

HttpMatch with_header(HttpMatch match, std::string name, std::string value, bool is_regex = false) {
  match.headers.push_back({std::move(name), std::move(value), is_regex});
  return match;
}
HttpMatch with_query(HttpMatch match, std::string name, std::string value, bool is_regex = false) {
  match.query.push_back({std::move(name), std::move(value), is_regex});
  return match;
}
HttpMatch with_method(HttpMatch match, std::string method) {
  match.method = std::move(method);
  return match;
}

/// Routes as a test writes them down: each rule has a name, which a request is answered with.
class HttpRouteTable : public testing::Test {
 protected:
  /// @param at hostnames of the mesh's listeners that share the TCP-level listener 0
  void route(std::vector<std::string> hostnames, std::vector<std::pair<std::string, std::vector<HttpMatch>>> rules,
             std::vector<std::string> at = {""}) {
    HttpRoute route;
    for (std::string& hostname : at) route.listeners.push_back({0, std::move(hostname)});
    route.hostnames = std::move(hostnames);
    for (auto& [name, matches] : rules) {
      HttpRoute::Rule rule{std::move(matches), {}};
      rule.rule.route = static_cast<uint32_t>(routes_.size());
      rule.rule.direct = DirectResponse{200, {}, std::move(name)};
      route.rules.push_back(std::move(rule));
    }
    routes_.push_back(std::move(route));
    table_ = std::make_unique<route::Table>(routes_);
  }
  route::Found found(const TestRequest& request) const {
    const http::RequestHead head = request.head();
    return table_->find(0, {request.host, request.path, request.query, head});
  }
  std::string find(const TestRequest& request) const {
    const HttpRule* rule = found(request).rule;
    return rule == nullptr ? "none" : rule->direct->body;
  }
  std::string at(const std::string& host, const std::string& path = "/") const {
    return find({.host = host, .path = path});
  }
  std::string path(const std::string& path) const { return find({.path = path}); }
  std::string query(const std::string& query) const { return find({.query = query}); }

  std::vector<HttpRoute> routes_;
  std::unique_ptr<route::Table> table_ = std::make_unique<route::Table>();
};

// ---- hostnames (HTTPRouteSpec.hostnames, Hostname)

TEST_F(HttpRouteTable, NothingIsFoundInNothing) {
  EXPECT_EQ(path("/"), "none");
  route({}, {});
  EXPECT_EQ(path("/"), "none");
  route({"a.example"}, {{"a", {prefix("/")}}});
  const TestRequest request{.host = "a.example"};
  const http::RequestHead head = request.head();
  EXPECT_EQ(table_->find(1, {request.host, request.path, request.query, head}).rule, nullptr);
  EXPECT_EQ(table_->find(~0u, {request.host, request.path, request.query, head}).rule, nullptr);
}

TEST_F(HttpRouteTable, ExactHostnames) {
  route({"shop.example", "store.example"}, {{"shop", {prefix("/")}}});
  EXPECT_EQ(at("shop.example"), "shop");
  EXPECT_EQ(at("store.example"), "shop");
  EXPECT_EQ(at("a.shop.example"), "none");
  EXPECT_EQ(at("hop.example"), "none");
  EXPECT_EQ(at("example"), "none");
  EXPECT_EQ(at(""), "none");
}

TEST_F(HttpRouteTable, HostsAreComparedWithoutCasePortAndDot) {
  route({"shop.example"}, {{"shop", {prefix("/")}}});
  for (const char* host : {"SHOP.Example", "shop.example:8080", "shop.example.", "Shop.example.:80", "shop.example:"})
    EXPECT_EQ(at(host), "shop") << host;
  EXPECT_EQ(at("shop.example:80:80"), "none");
  route({"[2001:db8::1]", "192.0.2.1"}, {{"address", {prefix("/")}}});
  EXPECT_EQ(at("[2001:DB8::1]"), "address");
  EXPECT_EQ(at("[2001:db8::1]:80"), "address");
  EXPECT_EQ(at("192.0.2.1:80"), "address");
}

TEST_F(HttpRouteTable, WildcardsStandForLabelsInFront) {
  route({"*.example.com"}, {{"wild", {prefix("/")}}});
  EXPECT_EQ(at("test.example.com"), "wild");
  EXPECT_EQ(at("foo.test.example.com"), "wild");
  EXPECT_EQ(at("example.com"), "none");
  EXPECT_EQ(at("testexample.com"), "none");
  EXPECT_EQ(at(".example.com"), "none");
  EXPECT_EQ(at("test.example.com.org"), "none");
}

TEST_F(HttpRouteTable, MoreOfTheHostGoesFirstWhateverTheOrder) {
  route({}, {{"any", {exact("/")}}});
  route({"*.com"}, {{"com", {exact("/")}}});
  route({"*.example.com"}, {{"example", {exact("/")}}});
  route({"a.example.com"}, {{"a", {prefix("/")}}});
  EXPECT_EQ(at("a.example.com"), "a") << "a more specific path does not make up for it";
  EXPECT_EQ(at("b.example.com"), "example");
  EXPECT_EQ(at("a.b.example.com"), "example");
  EXPECT_EQ(at("example.com"), "com");
  EXPECT_EQ(at("example.org"), "any");
  EXPECT_EQ(at(std::string(400, 'x')), "any") << "no name is so long";
}

TEST_F(HttpRouteTable, LessOfTheHostIsTriedWhenNoRuleMatches) {
  route({"a.example"}, {{"exact", {prefix("/cart")}}});
  route({"*.example"}, {{"wild", {with_method(prefix("/"), "PUT")}}});
  route({}, {{"any", {prefix("/")}}});
  EXPECT_EQ(at("a.example", "/cart"), "exact");
  EXPECT_EQ(find({.host = "a.example", .path = "/x", .method = "PUT"}), "wild");
  EXPECT_EQ(at("a.example", "/x"), "any");
}

TEST_F(HttpRouteTable, ListenersWithHostnamesIntersect) {
  route({"*.example.com", "other.org"}, {{"wild", {prefix("/")}}}, {"test.example.com"});
  EXPECT_EQ(at("test.example.com"), "wild");
  EXPECT_EQ(at("best.example.com"), "none");
  EXPECT_EQ(at("other.org"), "none");
  route({"foo.test.example.com"}, {{"exact", {prefix("/")}}}, {"*.test.example.com"});
  EXPECT_EQ(at("foo.test.example.com"), "exact");
  EXPECT_EQ(at("bar.test.example.com"), "none");
  route({"*.com"}, {{"wider", {prefix("/")}}}, {"*.test.example.com"});
  EXPECT_EQ(at("bar.test.example.com"), "wider");
  EXPECT_EQ(at("bar.com"), "none");
}

TEST_F(HttpRouteTable, ListenersAreIsolated) {
  route({}, {{"any", {prefix("/")}}}, {""});
  route({}, {{"wild", {prefix("/wild")}}}, {"*.example.com"});
  route({}, {{"exact", {prefix("/exact")}}}, {"foo.example.com"});
  EXPECT_EQ(at("foo.example.com", "/exact"), "exact");
  EXPECT_EQ(at("foo.example.com", "/wild"), "none") << "the request belongs to the most specific listener alone";
  EXPECT_EQ(at("foo.example.com", "/"), "none");
  EXPECT_EQ(at("bar.example.com", "/wild"), "wild");
  EXPECT_EQ(at("bar.example.com", "/"), "none");
  EXPECT_EQ(at("example.com", "/wild"), "any");
}

TEST_F(HttpRouteTable, AListenerWhoseRoutesHaveNoRulesIsOneTheLess) {
  route({}, {{"any", {prefix("/")}}}, {""});
  route({}, {}, {"foo.example.com"});
  EXPECT_EQ(at("foo.example.com"), "none");
  EXPECT_EQ(at("bar.example.com"), "any");
}

TEST_F(HttpRouteTable, TcpListenersHaveRoutesOfTheirOwn) {
  HttpRoute at_both;
  at_both.listeners = {{0, ""}, {7, ""}};
  at_both.rules.push_back({{prefix("/both")}, {}});
  HttpRoute at_one;
  at_one.listeners = {{7, ""}};
  at_one.rules.push_back({{prefix("/one")}, {}});
  const route::Table table({at_both, at_one});
  const http::RequestHead head;
  const auto finds = [&](uint32_t listener, const char* path) {
    return table.find(listener, {"h", path, "", head}).rule != nullptr;
  };
  EXPECT_TRUE(finds(0, "/both"));
  EXPECT_FALSE(finds(0, "/one"));
  EXPECT_TRUE(finds(7, "/both"));
  EXPECT_TRUE(finds(7, "/one"));
  EXPECT_FALSE(finds(3, "/both"));
}

// ---- paths (HTTPPathMatch)

TEST_F(HttpRouteTable, PrefixesMatchByElements) {
  for (const char* value : {"/abc", "/abc/"}) {
    route({}, {{"abc", {prefix(value)}}});
    for (const char* matched : {"/abc", "/abc/", "/abc/def", "/abc//"}) EXPECT_EQ(path(matched), "abc") << matched;
    for (const char* other : {"/abcd", "/ab", "/", "", "/ABC", "//abc", "/def/abc"})
      EXPECT_EQ(path(other), "none") << other;
    routes_.clear();
  }
}

TEST_F(HttpRouteTable, TheEmptyPrefixMatchesEverything) {
  route({}, {{"all", {prefix("/")}}});
  for (const char* matched : {"/", "/a", "//", ""}) EXPECT_EQ(path(matched), "all") << matched;
}

TEST_F(HttpRouteTable, SaysHowMuchAPrefixHasMatched) {
  route({},
        {{"all", {prefix("/")}}, {"ab", {prefix("/a/b/")}}, {"exact", {exact("/x/y")}}, {"regex", {regex("/r.*")}}});
  EXPECT_EQ(found({.path = "/a/b/c"}).prefix_length, 4u);
  EXPECT_EQ(found({.path = "/a/b"}).prefix_length, 4u);
  EXPECT_EQ(found({.path = "/a"}).prefix_length, 0u);
  EXPECT_EQ(found({.path = "/x/y"}).prefix_length, 0u);
  EXPECT_EQ(found({.path = "/r/a"}).prefix_length, 0u);
}

TEST_F(HttpRouteTable, ExactPathsThenExpressionsThenPrefixes) {
  route({}, {{"prefix", {prefix("/a/b/c")}}, {"regex", {regex("/a/b/.")}}, {"exact", {exact("/a/b/c")}}});
  EXPECT_EQ(path("/a/b/c"), "exact");
  EXPECT_EQ(path("/a/b/d"), "regex");
  EXPECT_EQ(path("/a/b/c/d"), "prefix");
  EXPECT_EQ(path("/a/b/c/"), "prefix") << "an exact path has no slash more";
}

TEST_F(HttpRouteTable, TheLongerPrefixGoesFirst) {
  route({}, {{"1", {prefix("/a")}}, {"2", {prefix("/a/b")}}, {"0", {prefix("/")}}, {"4", {prefix("/a/b/c/d")}}});
  EXPECT_EQ(path("/"), "0");
  EXPECT_EQ(path("/a/c"), "1");
  EXPECT_EQ(path("/a/bc"), "1");
  EXPECT_EQ(path("/a/b/c"), "2");
  EXPECT_EQ(path("/a/b/c/d/e"), "4");
}

TEST_F(HttpRouteTable, TheLongerExpressionGoesFirst) {
  route({}, {{"short", {regex("/.*")}},
             {"long", {regex("/a[a-z]*")}},
             {"fields", {with_header(regex("/b.*"), "x", "1")}},
             {"alike", {regex("/.b*")}}});
  EXPECT_EQ(path("/abc"), "long");
  EXPECT_EQ(path("/xyz"), "short");
  EXPECT_EQ(path("/b"), "alike");
  EXPECT_EQ(find({.path = "/b", .fields = {{"x", "1"}}}), "fields") << "of one length, fields decide";
  EXPECT_EQ(path("/ab/c"), "short");
}

TEST_F(HttpRouteTable, ALongPathIsNoTrouble) {
  std::string deep;
  for (int i = 0; i < 2000; ++i) deep += "/x";
  route({}, {{"deep", {prefix(deep)}}, {"all", {prefix("/")}}});
  EXPECT_EQ(path(deep), "deep");
  EXPECT_EQ(path(deep + "/y"), "deep");
  EXPECT_EQ(path(deep.substr(2)), "all");
}

// ---- methods, header fields, query parameters

TEST_F(HttpRouteTable, Methods) {
  route(
      {},
      {{"any", {prefix("/")}}, {"get", {with_method(prefix("/"), "GET")}}, {"put", {with_method(prefix("/"), "PUT")}}});
  EXPECT_EQ(find({.method = "GET"}), "get");
  EXPECT_EQ(find({.method = "PUT"}), "put");
  EXPECT_EQ(find({.method = "get"}), "any");
}

TEST_F(HttpRouteTable, FieldsAreAllAskedFor) {
  route({}, {{"both", {with_header(with_header(prefix("/"), "version", "2"), "env", "test")}}});
  EXPECT_EQ(find({.fields = {{"Version", "2"}, {"ENV", "test"}}}), "both");
  EXPECT_EQ(find({.fields = {{"env", "test"}, {"a", "b"}, {"version", "2"}}}), "both");
  EXPECT_EQ(find({.fields = {{"version", "2"}}}), "none");
  EXPECT_EQ(find({.fields = {{"version", "2"}, {"env", "Test"}}}), "none");
  EXPECT_EQ(find({.fields = {{"version", ""}, {"env", "test"}}}), "none");
}

TEST_F(HttpRouteTable, MatchesOfARuleAreAlternatives) {
  route({}, {{"v2", {with_header(prefix("/foo"), "version", "v2"), prefix("/v2/foo")}}});
  EXPECT_EQ(find({.path = "/foo", .fields = {{"version", "v2"}}}), "v2");
  EXPECT_EQ(path("/v2/foo"), "v2");
  EXPECT_EQ(path("/foo"), "none");
}

TEST_F(HttpRouteTable, AFieldThatComesSeveralTimesIsOneList) {
  route({}, {{"list", {with_header(prefix("/"), "x", "1, 2")}},
             {"regex", {with_header(prefix("/"), "y", "a, .*b", true)}}});
  EXPECT_EQ(find({.fields = {{"x", "1"}, {"z", "0"}, {"X", "2"}}}), "list");
  EXPECT_EQ(find({.fields = {{"x", "1, 2"}}}), "list");
  EXPECT_EQ(find({.fields = {{"x", "1"}}}), "none");
  EXPECT_EQ(find({.fields = {{"x", "2"}, {"x", "1"}}}), "none");
  EXPECT_EQ(find({.fields = {{"y", "a"}, {"y", std::string(5000, 'x')}, {"y", "b"}}}), "regex");
}

TEST_F(HttpRouteTable, QueryParametersAreDecoded) {
  route({}, {{"q", {with_query(prefix("/"), "q", "a b")}},
             {"empty", {with_query(prefix("/"), "e", "")}},
             {"odd", {with_query(prefix("/"), "%", "%zz%4")}},
             {"name", {with_query(prefix("/"), "a&b", "=")}}});
  for (const char* matched : {"q=a+b", "q=a%20b", "x=1&q=%61+%62&y", "&&q=a+b", "q=a+b&q=c", "%71=a+b"})
    EXPECT_EQ(query(matched), "q") << matched;
  for (const char* other : {"", "q", "q=", "Q=a+b", "q=a", "q=c&q=a+b", "qq=a+b", "q=a+b+", "q=a%2Bb"})
    EXPECT_EQ(query(other), "none") << other;
  for (const char* matched : {"e", "e=", "x&e&y"}) EXPECT_EQ(query(matched), "empty") << matched;
  EXPECT_EQ(query("%=%zz%4"), "odd");
  EXPECT_EQ(query("a%26b=="), "name");
  EXPECT_EQ(query("a%26b=%3d"), "name");
  EXPECT_EQ(query("q=a+b" + std::string(3000, '+')), "none");
}

TEST_F(HttpRouteTable, ValuesMayBeExpressions) {
  route({}, {{"first", {with_header(prefix("/"), "x", "[0-9]+", true)}},
             {"second", {with_header(prefix("/"), "x", ".*", true)}},
             {"query", {with_query(prefix("/"), "q", "a.*", true)}}});
  EXPECT_EQ(find({.fields = {{"x", "12"}}}), "first");
  EXPECT_EQ(find({.fields = {{"x", "12a"}}}), "second");
  EXPECT_EQ(query("q=%61b"), "query");
  EXPECT_EQ(query("q=ba"), "none");
}

TEST_F(HttpRouteTable, MethodThenFieldsThenParametersThenOrder) {
  const HttpMatch all = prefix("/");
  route({}, {{"plain", {all}},
             {"query 1", {with_query(all, "q", "1")}},
             {"query 2", {with_query(with_query(all, "q", "1"), "p", "1")}},
             {"field 1", {with_header(all, "x", "1")}},
             {"field 2", {with_header(with_header(all, "y", ".*", true), "x", "1")}},
             {"method", {with_method(all, "PUT")}}});
  route({}, {{"later", {with_header(all, "z", "1"), with_header(all, "x", "1")}}});
  const std::vector<std::pair<std::string, std::string>> x{{"x", "1"}}, xy{{"x", "1"}, {"y", ""}}, z{{"z", "1"}};
  EXPECT_EQ(find({}), "plain");
  EXPECT_EQ(find({.query = "q=1"}), "query 1");
  EXPECT_EQ(find({.query = "q=1&p=1"}), "query 2");
  EXPECT_EQ(find({.query = "q=1&p=1", .fields = x}), "field 1");
  EXPECT_EQ(find({.query = "q=1&p=1", .fields = xy}), "field 2");
  EXPECT_EQ(find({.query = "q=1&p=1", .method = "PUT", .fields = xy}), "method");
  EXPECT_EQ(find({.fields = z}), "later");
}

TEST_F(HttpRouteTable, TheOlderRouteAndTheEarlierRuleGoFirst) {
  route({"a.example"}, {{"first", {prefix("/a")}}, {"second", {prefix("/a"), prefix("/b")}}});
  route({"a.example"}, {{"third", {prefix("/a"), prefix("/b"), prefix("/c")}}});
  EXPECT_EQ(at("a.example", "/a"), "first");
  EXPECT_EQ(at("a.example", "/b"), "second");
  EXPECT_EQ(at("a.example", "/c"), "third");
}

TEST_F(HttpRouteTable, ManyValuesOfOneField) {
  std::vector<std::pair<std::string, std::vector<HttpMatch>>> rules;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = std::to_string(i);
    rules.push_back({name, {with_query(with_header(prefix("/"), "tenant", "t" + name), "v", std::to_string(i % 3))}});
  }
  route({}, std::move(rules));
  for (int i = 0; i < 1000; ++i) {
    const TestRequest request{.query = "v=" + std::to_string(i % 3), .fields = {{"Tenant", "t" + std::to_string(i)}}};
    ASSERT_EQ(find(request), std::to_string(i));
  }
  EXPECT_EQ(find({.query = "v=2", .fields = {{"tenant", "t0"}}}), "none");
}

// ---- what is no expression

TEST_F(HttpRouteTable, ABadExpressionIsToldWithItsRule) {
  const auto refusal = [&](HttpMatch match) -> std::string {
    HttpRoute bad;
    bad.name = "store";
    bad.rules = {{{prefix("/")}, {}}, {{prefix("/"), std::move(match)}, {}}};
    try {
      const route::Table table({bad});
    } catch (const Error& error) {
      EXPECT_EQ(error.code, "ERR_FLATPROXY_INTERNAL");
      return error.what();
    }
    return "none";
  };
  const std::string of_rule = "' of route 'store', rules[1]: ";
  EXPECT_NE(refusal(regex("/a(")).find("'/a(" + of_rule + "missing ): /a("), std::string::npos);
  EXPECT_NE(refusal(with_header(prefix("/"), "x", "[", true)).find("'[" + of_rule), std::string::npos);
  EXPECT_NE(refusal(with_query(prefix("/"), "x", "+", true)).find("'+" + of_rule), std::string::npos);
  EXPECT_EQ(refusal(with_query(prefix("/"), "x", "+")), "none");
}

}  // namespace
}  // namespace flatproxy
