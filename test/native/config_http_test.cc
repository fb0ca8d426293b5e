#include <gtest/gtest.h>

#include <string>

#include "config/plan.h"
#include "support/plan_text.h"

namespace flatproxy {
namespace {

using test::endpoint;
using test::PlanText;

constexpr const char* kHttp =
    R"({"maxHeaderBytes":1000,"maxHeaders":99,"maxUriBytes":2000,"maxRequests":3,"headerTimeout":4,"bodyTimeout":5,)"
    R"("idleTimeout":6,"tunnelTimeout":7,"via":"edge","forwarded":"x-forwarded","trustedForwarded":["10.0.0.0/8"],)"
    R"("dotSegments":"reject","encodedSlashes":"decode","doubleSlashes":"merge","trace":"start"})";

std::string listener(unsigned id, const std::string& protocol, const std::string& http, unsigned port = 80) {
  return R"({"id":)" + std::to_string(id) + R"(,"name":"l)" + std::to_string(id) +
         R"(","addresses":["10.9.0.7"],"port":)" + std::to_string(port) + R"(,"on":null,"protocol":")" + protocol +
         R"(","http":)" + http + R"(,"backends":[],"trusted":null,"relay":{"connectTimeout":1,"idleTimeout":1,)" +
         R"("maxConnections":0,"maxConnectionsPerClient":0}})";
}

constexpr const char* kMatch =
    R"({"path":{"type":"PathPrefix","value":"/"},"method":null,"headers":[],"queryParams":[]})";

std::string rule(const std::string& matches, const std::string& filters = "", const std::string& backends = "",
                 const std::string& retry = "null") {
  return R"({"matches":[)" + matches + R"(],"filters":[)" + filters + R"(],"backends":[)" + backends +
         R"(],"timeouts":{"request":0,"backendRequest":1500},"retry":)" + retry + "}";
}

std::string route(const std::string& rules, const std::string& listeners = R"({"id":1,"hostname":null})") {
  return R"({"id":7,"name":"store","listeners":[)" + listeners + R"(],"hostnames":["shop.example"],"rules":[)" + rules +
         "]}";
}

/// Plans with a service 0, a listener 0 of TCP and a listener 1 of HTTP.
class ConfigHttp : public test::PlanTest {
 protected:
  static PlanText plan(const std::string& routes, const std::string& http = kHttp) {
    PlanText text;
    text.set = test::service(0, "10.9.0.1", endpoint(0, "10.0.0.9"));
    text.listeners = "[" + listener(0, "tcp", "null", 81) + "," + listener(1, "http", http) + "]";
    text.http_routes = "[" + routes + "]";
    return text;
  }
  /// What a plan with this instead of a part of it is refused with, behind "plan.".
  std::string refusal_with(std::string text, const std::string& part, const std::string& instead) {
    const size_t at = text.find(part);
    EXPECT_NE(at, std::string::npos) << part;
    const std::string message = refusal(text.replace(at, part.size(), instead));
    const std::string place = "the engine cannot read its plan: plan.";
    EXPECT_TRUE(message.starts_with(place)) << message;
    return message.substr(std::min(place.size(), message.size()));
  }
};

TEST_F(ConfigHttp, ReadsSettingsOfListeners) {
  const auto snapshot = build(plan(""));
  EXPECT_FALSE(snapshot->listeners->at(0)->http);
  const Listener& web = *snapshot->listeners->at(1);
  EXPECT_TRUE(web.http);
  HttpSettings expected;
  expected.max_header_bytes = 1000;
  expected.max_headers = 99;
  expected.max_uri_bytes = 2000;
  expected.max_requests = 3;
  expected.header_timeout = 4'000'000;
  expected.body_timeout = 5'000'000;
  expected.idle_timeout = 6'000'000;
  expected.tunnel_timeout = 7'000'000;
  expected.via = "edge";
  expected.forwarded = HttpSettings::Forwarded::x_forwarded;
  expected.trusted_forwarded = {*wire::Prefix::parse("10.0.0.0/8")};
  expected.dot_segments = HttpSettings::DotSegments::reject;
  expected.encoded_slashes = HttpSettings::EncodedSlashes::decode;
  expected.merge_slashes = true;
  expected.trace = HttpSettings::Trace::start;
  EXPECT_EQ(web.http_settings, expected);
}

TEST_F(ConfigHttp, ReadsPoolsOfServices) {
  PlanText text;
  text.set = test::service(0, "10.9.0.1", endpoint(0, "10.0.0.9"));
  const auto first = build(text);
  EXPECT_EQ(first->services[0]->http, HttpPoolSettings());
  const std::string pool = test::kPool;
  text.set.replace(text.set.find(pool), pool.size(),
                   R"({"maxPending":1,"idleTimeout":2,"maxRequests":3,"affinityCookie":{"name":"sid","ttl":4},)"
                   R"("hash":{"by":"cookie","name":"user"},"eject":{"failures":5,"for":6}})");
  text.set.replace(text.set.find("maglev"), 6, "ringHash");
  const auto second = build(text, first.get());
  ASSERT_NE(second->services[0], first->services[0]) << "it has changed";
  EXPECT_EQ(second->services[0]->balance, Balance::ring_hash);
  HttpPoolSettings expected;
  expected.max_pending = 1;
  expected.idle_timeout = 2'000'000;
  expected.max_requests = 3;
  expected.affinity_cookie = "sid";
  expected.affinity_ttl = 4;
  expected.hash = HttpPoolSettings::Hash::cookie;
  expected.hash_name = "user";
  expected.eject_failures = 5;
  expected.eject_for = 6'000'000;
  EXPECT_EQ(second->services[0]->http, expected);
}

TEST_F(ConfigHttp, ReadsMatchesAndFindsByThem) {
  const std::string match = R"({"path":{"type":"RegularExpression","value":"/[a-c]+"},"method":"PUT",)"
                            R"("headers":[{"name":"x-version","value":"2","regex":false}],)"
                            R"("queryParams":[{"name":"q","value":"[0-9]+","regex":true}]})";
  const std::string exact = R"({"path":{"type":"Exact","value":"/"},"method":null,"headers":[],"queryParams":[]})";
  const auto snapshot = build(plan(route(rule(kMatch)) + "," + route(rule(match + "," + exact) + "," + rule(kMatch))));
  const auto& rules = snapshot->http_routes->routes().at(1).rules;
  const HttpMatch expected{
      HttpMatch::Path::regex, "/[a-c]+", "PUT", {{"x-version", "2", false}}, {{"q", "[0-9]+", true}}};
  EXPECT_EQ(rules.at(0).matches, (std::vector{expected, HttpMatch{HttpMatch::Path::exact, "/", "", {}, {}}}));
  EXPECT_EQ(rules.at(1).rule.route, 1u);
  http::RequestHead head;
  head.method_name = "PUT";
  head.fields.add("X-Version", "2", http::FieldId::other);
  EXPECT_EQ(snapshot->http_routes->find(1, {"shop.example:80", "/abc", "q=12", head}).rule, &rules[0].rule);
  EXPECT_EQ(snapshot->http_routes->find(1, {"shop.example", "/abc", "q=x", head}).rule->route, 0u);
  EXPECT_EQ(snapshot->http_routes->find(1, {"shop", "/abc", "q=12", head}).rule, nullptr);
  EXPECT_EQ(snapshot->http_routes->find(0, {"shop.example", "/abc", "q=12", head}).rule, nullptr);
}

TEST_F(ConfigHttp, ReadsWhatIsDone) {
  const std::string filters =
      R"({"type":"RequestHeaderModifier","set":[["a","1"]],"add":[["b","2"],["b","3"]],"remove":["c"]},)"
      R"({"type":"ResponseHeaderModifier","set":[],"add":[],"remove":["d"]},)"
      R"({"type":"URLRewrite","hostname":"other","path":{"type":"ReplacePrefixMatch","value":"/y"}})";
  const std::string backend =
      R"({"service":0,"weight":90,"filters":[{"type":"ResponseHeaderModifier","set":[["e","4"]],"add":[],"remove":[]}]})";
  const std::string retry =
      R"({"attempts":2,"codes":[502,503],"backoff":25,"connectFailure":true,"reset":false,"timeout":true})";
  const std::string redirect = R"({"type":"RequestRedirect","scheme":"https","hostname":null,"port":8443,)"
                               R"("path":{"type":"ReplaceFullPath","value":"/z"},"statusCode":308})";
  const std::string direct = R"({"type":"DirectResponse","status":503,"headers":[["f","5"]],"body":"no"})";
  const auto snapshot = build(
      plan(route(rule(kMatch, filters, backend, retry) + "," + rule(kMatch, redirect) + "," + rule(kMatch, direct))));
  const auto& rules = snapshot->http_routes->routes().at(0).rules;
  HttpRule expected;
  expected.request = {{{"a", "1"}}, {{"b", "2"}, {"b", "3"}}, {"c"}};
  expected.response.remove = {"d"};
  expected.rewrite = UrlRewrite{"other", PathChange{true, "/y"}};
  expected.backends = {{0, 90, {}, {{{"e", "4"}}, {}, {}}}};
  expected.backend_timeout = 1'500'000'000;
  expected.retry = RetrySettings{2, {502, 503}, 25'000'000, true, false, true};
  EXPECT_EQ(rules.at(0).rule, expected);
  EXPECT_EQ(rules.at(1).rule.redirect, (Redirect{"https", {}, PathChange{false, "/z"}, 8443, 308}));
  EXPECT_EQ(rules.at(2).rule.direct, (DirectResponse{503, {{"f", "5"}}, "no"}));
}

TEST_F(ConfigHttp, SharesRoutesThatDoNotChange) {
  PlanText text = plan(route(rule(kMatch)));
  const auto first = build(text);
  const auto unchanged = build(PlanText::after(*first), first.get());
  EXPECT_EQ(unchanged->http_routes, first->http_routes);
  text.generation = 3;
  const auto same = build(text, unchanged.get());
  EXPECT_EQ(same->http_routes, first->http_routes);
  text.http_routes = "[" + route(rule(kMatch), R"({"id":1,"hostname":"*.example"})") + "]";
  EXPECT_NE(build(text, same.get())->http_routes, first->http_routes);
  text.http_routes = "null";
  EXPECT_EQ(refusal(text.text()), "the engine's plan contradicts itself: it is not whole, but names no base");
}

TEST_F(ConfigHttp, NamesThePlaceOfWhatIsNotInShape) {
  const std::string text =
      plan(route(rule(kMatch) + "," +
                 rule(kMatch, R"({"type":"ResponseHeaderModifier","set":[],"add":[["a","b"]],"remove":[]})",
                      R"({"service":0,"weight":1,"filters":[]})")))
          .text();
  const std::string first_rule = "httpRoutes[0].rules[0]";
  EXPECT_EQ(refusal_with(text, R"("value":"/")", R"("value":"abc")"),
            first_rule + ".matches[0].path.value should be a path");
  EXPECT_EQ(refusal_with(text, "PathPrefix", "Prefix"),
            first_rule + ".matches[0].path.type should be a word that is known here");
  EXPECT_EQ(refusal_with(text, kMatch, ""), first_rule + ".matches should be a list that is not empty");
  EXPECT_EQ(refusal_with(text, R"("method":null)", R"("method":null,"more":1)"),
            first_rule + ".matches[0] should be an object with 4 members");
  EXPECT_EQ(refusal_with(text, R"(["a","b"])", R"(["a","b","c"])"),
            "httpRoutes[0].rules[1].filters[0].add[0] should be a name and a value");
  EXPECT_EQ(refusal_with(text, R"(["a","b"])", R"(["a",1])"),
            "httpRoutes[0].rules[1].filters[0].add[0][1] should be a text");
  EXPECT_EQ(refusal_with(text, "ResponseHeaderModifier", "RequestMirror"),
            "httpRoutes[0].rules[1].filters[0].type should be a filter");
  EXPECT_EQ(refusal_with(text, R"("weight":1,"filters":[])",
                         R"("weight":1,"filters":[{"type":"URLRewrite","hostname":null,"path":null}])"),
            "httpRoutes[0].rules[1].backends[0].filters[0].type should be a filter of header fields");
  const std::string empty = R"({"type":"RequestHeaderModifier","set":[],"add":[],"remove":[]})";
  EXPECT_EQ(refusal_with(text, R"("filters":[])", R"("filters":[)" + empty + "," + empty + "]"),
            first_rule + ".filters[1].type should be another filter than before");
  EXPECT_EQ(refusal_with(text, R"("request":0)", R"("request":-1)"),
            first_rule + ".timeouts.request should be a whole number from 0 to 4294967295");
  EXPECT_EQ(refusal_with(text, R"("protocol":"http")", R"("protocol":"tcp")"), "listeners[1].http should be null");
  EXPECT_EQ(refusal_with(text, R"("protocol":"tcp","http")", R"("protocol":"http","http")").substr(0, 17),
            "listeners[0].http");
  EXPECT_EQ(refusal_with(text, R"("maxHeaders":99)", R"("maxHeaders":257)"),
            "listeners[1].http.maxHeaders should be a whole number from 1 to 256");
}

TEST_F(ConfigHttp, EveryWrongValueIsRefused) {
  const std::string match =
      R"({"path":{"type":"Exact","value":"/a"},"method":"GET","headers":[{"name":"x","value":"2","regex":false}],)"
      R"("queryParams":[{"name":"q","value":"1","regex":true}]})";
  const std::string filters =
      R"({"type":"RequestHeaderModifier","set":[["a","1"]],"add":[["b","2"]],"remove":["c"]},)"
      R"({"type":"RequestRedirect","scheme":"https","hostname":"x","port":8443,"path":{"type":"ReplaceFullPath","value":"/z"},)"
      R"("statusCode":308},{"type":"DirectResponse","status":503,"headers":[["f","5"]],"body":"no"})";
  const std::string text =
      plan(route(
               rule(match, filters, R"({"service":0,"weight":1,"filters":[]})",
                    R"({"attempts":2,"codes":[502],"backoff":25,"connectFailure":true,"reset":false,"timeout":false})"),
               R"({"id":1,"hostname":"*.example"})"))
          .text();
  build_text(text);
  const size_t begin = text.find("\"httpRoutes\"");
  const size_t stop = text.find("\"services\"");
  for (size_t at = text.find(':', begin); at < stop; at = text.find(':', at + 1)) {
    const char next = text[at + 1];
    if (next == '{' || next == '[' || text[at - 1] != '"') continue;
    const size_t end = next == '"' ? text.find('"', at + 2) + 1 : text.find_first_of(",}]", at);
    refusal(text.substr(0, at + 1) + (next == '"' ? "-1" : "\"?\"") + text.substr(end));
    refusal(text.substr(0, at + 1) + "{}" + text.substr(end));
  }
}

TEST_F(ConfigHttp, ContradictionsAreRefused) {
  const auto first = build(plan(route(rule(kMatch, "", R"({"service":0,"weight":1,"filters":[]})"))));
  const auto refuse = [&](auto&& change) {
    PlanText next = PlanText::after(*first);
    change(next);
    const std::string message = refusal(next.text(), first.get());
    return message.substr(message.find(": ") + 2);
  };
  EXPECT_EQ(refuse([](PlanText& p) {
              p.http_routes = "[" + route(rule(kMatch, "", R"({"service":3,"weight":1,"filters":[]})")) + "]";
            }),
            "HTTP route 'store' leads to no service");
  EXPECT_EQ(refuse([](PlanText& p) { p.removed = "0"; }), "HTTP route 'store' leads to no service");
  for (const char* at : {R"({"id":0,"hostname":null})", R"({"id":2,"hostname":null})"}) {
    EXPECT_EQ(refuse([&](PlanText& p) { p.http_routes = "[" + route(rule(kMatch), at) + "]"; }),
              "HTTP route 'store' is attached to no listener of HTTP");
  }
  EXPECT_EQ(refuse([](PlanText& p) { p.listeners = "[]"; }), "HTTP route 'store' is attached to no listener of HTTP");
  const std::string bad =
      R"({"path":{"type":"RegularExpression","value":"/a("},"method":null,"headers":[],"queryParams":[]})";
  EXPECT_EQ(refuse([&](PlanText& p) { p.http_routes = "[" + route(rule(kMatch) + "," + rule(bad)) + "]"; }),
            "the expression '/a(' of route 'store', rules[1]: missing ): /a(");
}

}  // namespace
}  // namespace flatproxy
