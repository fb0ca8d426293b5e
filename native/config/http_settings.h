#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "packet/segment.h"
#include "wire/address.h"

namespace flatproxy {

/// What a listener asks of HTTP (names as in the mesh). A limit of 0 is none.
struct HttpSettings {
  enum class Forwarded : uint8_t { none, forwarded, x_forwarded };
  enum class DotSegments : uint8_t { normalize, reject, keep };
  enum class EncodedSlashes : uint8_t { keep, decode, reject };

  enum class Trace : uint8_t { pass, start };

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
  bool over_tls = false;      ///< what comes is https, else http
  Trace trace = Trace::pass;  ///< whether requests that are of no trace begin one
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
