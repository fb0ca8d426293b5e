#include "exchange/request_choice.h"

#include <optional>

#include "exchange/http_forward.h"
#include "http/authority.h"
#include "http/chars.h"
#include "http/cookie.h"
#include "http/path.h"
#include "packet/flow_hash.h"
#include "route/text_index.h"
#include "wire/protocol.h"

namespace flatproxy {
namespace {

uint64_t mix(uint64_t hash) { return (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9u; }

}  // namespace

uint64_t connection_hash(const Service& service, const wire::ProxyHeader& ends) {
  if (service.source_affinity) return address_hash(ends.source, kBalanceKey);
  const auto family = static_cast<uint8_t>(ends.source.is_v4() ? 4 : 6);
  const Tuple tuple{ends.source,           ends.destination,     ends.source_port,
                    ends.destination_port, wire::protocol::kTcp, family};
  return flow_hash(tuple, kBalanceKey);
}

uint64_t request_hash(const Service& service, const http::Fields& fields, const wire::ProxyHeader& ends) {
  using Hash = HttpPoolSettings::Hash;
  std::optional<std::string_view> value;
  route::Scratch scratch;
  if (service.http.hash == Hash::header) {
    value = route::field_value(fields, service.http.hash_name, scratch);
  } else if (service.http.hash == Hash::cookie) {
    value = http::cookie_value(fields, service.http.hash_name);
  }
  if (value) return route::hash_text(0, *value);
  return mix(address_hash(ends.source, kBalanceKey) + (service.source_affinity ? 0 : ends.source_port));
}

const Endpoint* named_endpoint(const Service& service, const http::Fields& fields) {
  if (service.http.affinity_cookie.empty()) return nullptr;
  const auto value = http::cookie_value(fields, service.http.affinity_cookie);
  const uint32_t index = value ? service.affinity.find(*value) : AffinityTable::kNone;
  return index != AffinityTable::kNone ? &service.endpoints[index] : nullptr;
}

http::HeadLimits limits_of(const HttpSettings& settings) {
  return {settings.max_header_bytes, settings.max_headers, settings.max_uri_bytes};
}

bool take_path(const HttpSettings& settings, const http::RequestHead& head, char* to, std::string_view& path) {
  path = head.path;
  if (path.empty() || path.front() != '/') return true;
  return http::normalize_path({settings.dot_segments, settings.encoded_slashes, settings.merge_slashes}, to, path);
}

route::Found find_rule(const route::Table& routes, uint32_t listener, const http::RequestHead& head,
                       std::string_view path) {
  // What is asked of the server as a whole, and a tunnel, have no path: they are for whoever takes every path.
  const std::string_view matched = !path.empty() && path.front() == '/' ? path : "/";
  return routes.find(listener, {head.authority, matched, head.query, head});
}

std::string redirect_target(const Redirect& to, const http::RequestHead& head, std::string_view path,
                            uint32_t prefix_length, const RedirectedFrom& listener) {
  const auto asked = http::parse_authority(head.authority);
  const bool was_https = listener.over_tls || http::equals_ignoring_case(head.scheme, "https");
  const std::string_view scheme = to.scheme ? std::string_view(*to.scheme) : was_https ? "https" : "http";
  std::string target(scheme);
  target.append("://");
  if (to.hostname) {
    target.append(*to.hostname);
  } else if (asked) {
    target.append(asked->host);
  }
  // Without a port the scheme's own is meant when it was said, else that of the listener
  // (HTTPRequestRedirectFilter.port).
  const uint16_t own = scheme == "https" ? 443 : 80;
  const uint16_t port = to.port ? *to.port : to.scheme ? own : listener.port;
  if (port != own) target.append(":").append(std::to_string(port));
  const ChangedPath changed = to.path ? ChangedPath::of(path, prefix_length, *to.path) : ChangedPath{path, {}};
  target.append(changed.front).append(changed.rest);
  if (head.has_query) target.append("?").append(head.query);
  return target;
}

}  // namespace flatproxy
