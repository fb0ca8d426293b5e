#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "packet/segment.h"

namespace flatproxy {

/// Limit that ids of routes rest on; the mesh's checker enforces it with a problem that names it.
constexpr uint32_t kMaxRoutes = 65536;

/// Changes of a head's fields (HTTPHeaderFilter of the Gateway API). Names are in lower case.
struct HeaderChanges {
  using Pair = std::pair<std::string, std::string>;  // name, value
  std::vector<Pair> set;                             ///< in place of all that have the name
  std::vector<Pair> add;
  std::vector<std::string> remove;
  bool empty() const { return set.empty() && add.empty() && remove.empty(); }
  bool operator==(const HeaderChanges&) const = default;
};

/// Another path for a request (HTTPPathModifier).
struct PathChange {
  bool prefix_only = false;  ///< in place of the prefix that has matched, else of the whole path
  std::string value;
  bool operator==(const PathChange&) const = default;
};

/// HTTPURLRewriteFilter.
struct UrlRewrite {
  std::optional<std::string> hostname;
  std::optional<PathChange> path;
  bool operator==(const UrlRewrite&) const = default;
};

/// HTTPRequestRedirectFilter: what is not given stays as it was asked for.
struct Redirect {
  std::optional<std::string> scheme;
  std::optional<std::string> hostname;
  std::optional<PathChange> path;
  std::optional<uint16_t> port;
  uint16_t status = 302;
  bool operator==(const Redirect&) const = default;
};

/// An answer of the proxy's own.
struct DirectResponse {
  uint16_t status = 200;
  std::vector<HeaderChanges::Pair> headers;
  std::string body;
  bool operator==(const DirectResponse&) const = default;
};

/// When a request is sent again (HTTPRouteRetry). Only one whose body can be replayed is.
struct RetrySettings {
  uint32_t attempts = 1;  ///< beside the first
  std::vector<uint16_t> codes;
  Nanoseconds backoff = 25'000'000;  ///< before the first one; doubled and jittered from then on
  bool connect_failure = true;
  bool reset = true;     ///< before a byte of the response
  bool timeout = false;  ///< HttpRule::backend_timeout, before a byte of the response
  bool operator==(const RetrySettings&) const = default;
};

/// A service that a rule leads to, and its share.
struct HttpBackend {
  uint32_t service = 0;
  uint32_t weight = 1;
  HeaderChanges request;
  HeaderChanges response;
  bool operator==(const HttpBackend&) const = default;
};

/// What is done with requests that match (HTTPRouteRule), its matches apart.
struct HttpRule {
  HeaderChanges request;
  HeaderChanges response;
  std::optional<UrlRewrite> rewrite;
  std::optional<Redirect> redirect;
  std::optional<DirectResponse> direct;
  std::vector<HttpBackend> backends;
  Nanoseconds request_timeout = 0;  ///< of the whole exchange; 0: none
  Nanoseconds backend_timeout = 0;  ///< of one try; 0: none
  std::optional<RetrySettings> retry;
  uint32_t route = 0;  ///< index of its route in the snapshot
  bool operator==(const HttpRule&) const = default;
};

/// A text that a field or query parameter must have.
struct ValueMatch {
  std::string name;
  std::string value;
  bool regex = false;
  bool operator==(const ValueMatch&) const = default;
};

/// HTTPRouteMatch: all of it.
struct HttpMatch {
  enum class Path : uint8_t { exact, prefix, regex };
  Path path_kind = Path::prefix;
  std::string path = "/";
  std::string method;  ///< empty: any
  std::vector<ValueMatch> headers;
  std::vector<ValueMatch> query;
  bool operator==(const HttpMatch&) const = default;
};

/// HTTPRoute, attached to listeners.
struct HttpRoute {
  struct Attachment {
    uint32_t listener = 0;
    std::string hostname;  ///< of the mesh's listener: exact, `*.suffix`, or empty: any
    bool operator==(const Attachment&) const = default;
  };
  struct Rule {
    std::vector<HttpMatch> matches;  ///< any of them
    HttpRule rule;
    bool operator==(const Rule&) const = default;
  };
  static constexpr uint32_t kNone = ~0u;
  uint32_t id = kNone;  ///< whose counters count it; none of one without rules
  std::string name;
  std::vector<Attachment> listeners;
  std::vector<std::string> hostnames;
  std::vector<Rule> rules;
  bool operator==(const HttpRoute&) const = default;
};

}  // namespace flatproxy
