#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/listener.h"
#include "packet/segment.h"

namespace flatproxy {

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
  bool reset = true;  ///< before a byte of the response
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
  uint32_t route = 0;  ///< index of its route in the snapshot: whose counters count it
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
  std::string name;
  std::vector<Attachment> listeners;
  std::vector<std::string> hostnames;
  std::vector<Rule> rules;
  bool operator==(const HttpRoute&) const = default;
};

/// What a listener asks of HTTP (names as in the mesh). A limit of 0 is none.
struct HttpSettings {
  enum class Forwarded : uint8_t { none, forwarded, x_forwarded };
  enum class DotSegments : uint8_t { normalize, reject, keep };
  enum class EncodedSlashes : uint8_t { keep, decode, reject };

  uint32_t max_header_bytes = 16384;
  uint32_t max_headers = 100;
  uint32_t max_uri_bytes = 8192;
  uint32_t max_requests = 0;                       ///< of a connection
  Nanoseconds header_timeout = 10'000'000'000;     ///< from the first byte of a head to its last
  Nanoseconds body_timeout = 60'000'000'000;       ///< without a byte of a body, either way
  Nanoseconds idle_timeout = 75'000'000'000;       ///< between requests
  Nanoseconds tunnel_timeout = 3'600'000'000'000;  ///< without a byte either way
  std::string via;                                 ///< our pseudonym in Via; empty: it is not added
  Forwarded forwarded = Forwarded::none;
  std::vector<wire::Prefix> trusted_forwarded;  ///< whose Forwarded and X-Forwarded-* are believed
  DotSegments dot_segments = DotSegments::normalize;
  EncodedSlashes encoded_slashes = EncodedSlashes::keep;
  bool merge_slashes = false;
  bool operator==(const HttpSettings&) const = default;
};

/// How requests are spread over a service's endpoints, and how many connections are kept to them.
struct HttpPoolSettings {
  enum class Hash : uint8_t { client, header, cookie };

  uint32_t max_pending = 1024;                ///< requests that wait for a connection to an endpoint
  Nanoseconds idle_timeout = 60'000'000'000;  ///< of a connection that has no request
  uint32_t max_requests = 0;                  ///< of a connection
  std::string affinity_cookie;                ///< empty: none
  uint32_t affinity_ttl = 0;                  ///< seconds; 0: the session's
  Hash hash = Hash::client;
  std::string hash_name;
  uint32_t eject_failures = 5;             ///< in a row, before an endpoint is passed over...
  Nanoseconds eject_for = 30'000'000'000;  ///< ...for so long
  bool operator==(const HttpPoolSettings&) const = default;
};

}  // namespace flatproxy
