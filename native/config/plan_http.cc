#include "config/plan_http.h"

#include <algorithm>

#include "config/listener.h"
#include "config/service.h"
#include "http/message.h"

namespace flatproxy {
namespace {

constexpr uint64_t kHighest32 = 0xffff'ffff;
constexpr uint64_t kHeaviestBackend = 1'000'000;

std::string read_text_or_none(const PlanValue& value) { return value.null() ? std::string() : value.text(); }

std::vector<std::string> read_texts(const PlanValue& value) {
  std::vector<std::string> texts;
  value.each([&](const PlanValue& each) { texts.push_back(each.text()); });
  return texts;
}

std::vector<HeaderChanges::Pair> read_pairs(const PlanValue& value) {
  std::vector<HeaderChanges::Pair> pairs;
  value.each([&](const PlanValue& each) {
    std::vector<std::string> pair = read_texts(each);
    if (pair.size() != 2) each.wrong("a name and a value");
    pairs.emplace_back(std::move(pair[0]), std::move(pair[1]));
  });
  return pairs;
}

// ---- matches

ValueMatch read_value_match(const PlanValue& value) {
  value.members(3);
  return {value.at("name").text(), value.at("value").text(), value.at("regex").flag()};
}

HttpMatch read_match(const PlanValue& value) {
  using Path = HttpMatch::Path;
  HttpMatch match;
  const PlanValue path = value.at("path");
  match.path_kind = path.at("type").one_of<Path>(
      {{"Exact", Path::exact}, {"PathPrefix", Path::prefix}, {"RegularExpression", Path::regex}});
  match.path = path.at("value").text();
  if (match.path_kind != Path::regex && !match.path.starts_with('/')) path.at("value").wrong("a path");
  path.members(2);
  const PlanValue method = value.at("method");
  if (!method.null()) match.method = method.text();
  value.at("headers").each([&](const PlanValue& each) { match.headers.push_back(read_value_match(each)); });
  value.at("queryParams").each([&](const PlanValue& each) { match.query.push_back(read_value_match(each)); });
  value.members(4);
  return match;
}

// ---- filters

HeaderChanges read_header_changes(const PlanValue& value) {
  value.members(4);
  return {read_pairs(value.at("set")), read_pairs(value.at("add")), read_texts(value.at("remove"))};
}

std::optional<std::string> read_if_given(const PlanValue& value) {
  return value.null() ? std::nullopt : std::optional(value.text());
}

std::optional<PathChange> read_path_change(const PlanValue& value) {
  if (value.null()) return std::nullopt;
  value.members(2);
  return PathChange{value.at("type").one_of<bool>({{"ReplaceFullPath", false}, {"ReplacePrefixMatch", true}}),
                    value.at("value").text()};
}

UrlRewrite read_rewrite(const PlanValue& value) {
  value.members(3);
  return {read_if_given(value.at("hostname")), read_path_change(value.at("path"))};
}

Redirect read_redirect(const PlanValue& value) {
  Redirect redirect;
  redirect.scheme = read_if_given(value.at("scheme"));
  redirect.hostname = read_if_given(value.at("hostname"));
  redirect.path = read_path_change(value.at("path"));
  const PlanValue port = value.at("port");
  if (!port.null()) redirect.port = port.number_as<uint16_t>(1, 0xffff);
  redirect.status = value.at("statusCode").number_as<uint16_t>(300, 399);
  value.members(6);
  return redirect;
}

DirectResponse read_direct(const PlanValue& value) {
  value.members(4);
  return {value.at("status").number_as<uint16_t>(200, 599), read_pairs(value.at("headers")), value.at("body").text()};
}

/// Filters that change heads, which a rule and a backend of it may have. False: it is none of them.
template <typename Owner>
bool read_header_filter(const PlanValue& value, Owner& owner) {
  const std::string& type = value.at("type").text();
  if (type == "RequestHeaderModifier") {
    owner.request = read_header_changes(value);
  } else if (type == "ResponseHeaderModifier") {
    owner.response = read_header_changes(value);
  } else {
    return false;
  }
  return true;
}

void read_filter(const PlanValue& value, HttpRule& rule) {
  if (read_header_filter(value, rule)) return;
  const std::string& type = value.at("type").text();
  if (type == "URLRewrite") {
    rule.rewrite = read_rewrite(value);
  } else if (type == "RequestRedirect") {
    rule.redirect = read_redirect(value);
  } else if (type == "DirectResponse") {
    rule.direct = read_direct(value);
  } else {
    value.at("type").wrong("a filter");
  }
}

/// Calls read(filter) for each; every type comes once.
template <typename Read>
void read_filters(const PlanValue& value, Read&& read) {
  std::vector<std::string> seen;
  value.each([&](const PlanValue& each) {
    const std::string& type = each.at("type").text();
    if (std::find(seen.begin(), seen.end(), type) != seen.end()) each.at("type").wrong("another filter than before");
    seen.push_back(type);
    read(each);
  });
}

// ---- rules

HttpBackend read_backend(const PlanValue& value) {
  HttpBackend backend;
  backend.service = value.at("service").number_as<uint32_t>(0, kMaxServices - 1);
  backend.weight = value.at("weight").number_as<uint32_t>(0, kHeaviestBackend);
  read_filters(value.at("filters"), [&](const PlanValue& each) {
    if (!read_header_filter(each, backend)) each.at("type").wrong("a filter of header fields");
  });
  value.members(3);
  return backend;
}

RetrySettings read_retry(const PlanValue& value) {
  RetrySettings retry;
  retry.attempts = value.at("attempts").number_as<uint32_t>(0, kHighest32);
  value.at("codes").each([&](const PlanValue& each) { retry.codes.push_back(each.number_as<uint16_t>(400, 599)); });
  retry.backoff = value.at("backoff").duration();
  retry.connect_failure = value.at("connectFailure").flag();
  retry.reset = value.at("reset").flag();
  retry.timeout = value.at("timeout").flag();
  value.members(6);
  return retry;
}

HttpRoute::Rule read_rule(const PlanValue& value) {
  HttpRoute::Rule rule;
  const PlanValue matches = value.at("matches");
  matches.each([&](const PlanValue& each) { rule.matches.push_back(read_match(each)); });
  if (rule.matches.empty()) matches.wrong("a list that is not empty");
  read_filters(value.at("filters"), [&](const PlanValue& each) { read_filter(each, rule.rule); });
  value.at("backends").each([&](const PlanValue& each) { rule.rule.backends.push_back(read_backend(each)); });
  const PlanValue timeouts = value.at("timeouts");
  rule.rule.request_timeout = timeouts.at("request").duration();
  rule.rule.backend_timeout = timeouts.at("backendRequest").duration();
  timeouts.members(2);
  const PlanValue retry = value.at("retry");
  if (!retry.null()) rule.rule.retry = read_retry(retry);
  value.members(5);
  return rule;
}

HttpRoute read_route(const PlanValue& value, uint32_t index) {
  HttpRoute route;
  const PlanValue id = value.at("id");
  if (!id.null()) route.id = id.number_as<uint32_t>(0, kMaxRoutes - 1);
  route.name = value.at("name").text();
  value.at("listeners").each([&](const PlanValue& each) {
    each.members(2);
    route.listeners.push_back(
        {each.at("id").number_as<uint32_t>(0, kMaxListeners - 1), read_text_or_none(each.at("hostname"))});
  });
  route.hostnames = read_texts(value.at("hostnames"));
  value.at("rules").each([&](const PlanValue& each) {
    route.rules.push_back(read_rule(each));
    route.rules.back().rule.route = index;
  });
  if (route.id == HttpRoute::kNone && !route.rules.empty()) id.wrong("an id of a route that has rules");
  value.members(5);
  return route;
}

}  // namespace

std::optional<std::vector<HttpRoute>> read_http_routes(const PlanValue& value) {
  if (value.null()) return std::nullopt;
  std::vector<HttpRoute> routes;
  value.each([&](const PlanValue& each) { routes.push_back(read_route(each, static_cast<uint32_t>(routes.size()))); });
  return routes;
}

HttpSettings read_http_settings(const PlanValue& value) {
  using Forwarded = HttpSettings::Forwarded;
  using Dots = HttpSettings::DotSegments;
  using Slashes = HttpSettings::EncodedSlashes;
  using Trace = HttpSettings::Trace;
  HttpSettings http;
  http.max_header_bytes = value.at("maxHeaderBytes").number_as<uint32_t>(1, kHighest32);
  http.max_headers = value.at("maxHeaders").number_as<uint32_t>(1, http::kMaxFields);
  http.max_uri_bytes = value.at("maxUriBytes").number_as<uint32_t>(1, kHighest32);
  http.max_requests = value.at("maxRequests").number_as<uint32_t>(0, kHighest32);
  http.header_timeout = value.at("headerTimeout").duration();
  http.body_timeout = value.at("bodyTimeout").duration();
  http.idle_timeout = value.at("idleTimeout").duration();
  http.tunnel_timeout = value.at("tunnelTimeout").duration();
  http.via = read_text_or_none(value.at("via"));
  http.forwarded = value.at("forwarded")
                       .one_of<Forwarded>({{"none", Forwarded::none},
                                           {"forwarded", Forwarded::forwarded},
                                           {"x-forwarded", Forwarded::x_forwarded}});
  value.at("trustedForwarded").each([&](const PlanValue& each) { http.trusted_forwarded.push_back(each.prefix()); });
  http.dot_segments =
      value.at("dotSegments")
          .one_of<Dots>({{"normalize", Dots::normalize}, {"reject", Dots::reject}, {"keep", Dots::keep}});
  http.encoded_slashes =
      value.at("encodedSlashes")
          .one_of<Slashes>({{"keep", Slashes::keep}, {"decode", Slashes::decode}, {"reject", Slashes::reject}});
  http.merge_slashes = value.at("doubleSlashes").one_of<bool>({{"keep", false}, {"merge", true}});
  http.trace = value.at("trace").one_of<Trace>({{"pass", Trace::pass}, {"start", Trace::start}});
  value.members(15);
  return http;
}

HttpPoolSettings read_http_pool(const PlanValue& value) {
  using Hash = HttpPoolSettings::Hash;
  HttpPoolSettings pool;
  pool.max_pending = value.at("maxPending").number_as<uint32_t>(0, kHighest32);
  pool.idle_timeout = value.at("idleTimeout").duration();
  pool.max_requests = value.at("maxRequests").number_as<uint32_t>(0, kHighest32);
  const PlanValue cookie = value.at("affinityCookie");
  if (!cookie.null()) {
    pool.affinity_cookie = cookie.at("name").text();
    pool.affinity_ttl = cookie.at("ttl").number_as<uint32_t>(0, kHighest32);
    cookie.members(2);
  }
  const PlanValue hash = value.at("hash");
  if (!hash.null()) {
    pool.hash = hash.at("by").one_of<Hash>({{"header", Hash::header}, {"cookie", Hash::cookie}});
    pool.hash_name = hash.at("name").text();
    hash.members(2);
  }
  const PlanValue eject = value.at("eject");
  pool.eject_failures = eject.at("failures").number_as<uint32_t>(0, kHighest32);
  pool.eject_for = eject.at("for").duration();
  eject.members(2);
  value.members(6);
  return pool;
}

}  // namespace flatproxy
