#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "config/http_route.h"
#include "config/http_settings.h"
#include "config/service.h"
#include "http/head_parse.h"
#include "http/message.h"
#include "route/table.h"
#include "wire/proxy_header.h"

namespace flatproxy {

// What a connection or a request leads to, decided by a snapshot and what a lane keeps for balancing: for the relays,
// and for who asks what they would do.

/// By weight, evenly: multiples of the golden ratio fill [0, 1) without gaps or heaps. nullptr: none has any.
template <typename Backend>
const Backend* backend_in_turn(const std::vector<Backend>& backends, uint32_t turn) {
  uint64_t total = 0;
  for (const Backend& backend : backends) total += backend.weight;
  uint64_t drawn = (uint64_t{turn * 0x9e3779b9u} * total) >> 32;
  for (const Backend& backend : backends) {
    if (drawn < backend.weight) return &backend;
    drawn -= backend.weight;
  }
  return nullptr;
}

/// An endpoint of the client's family if there is one: what connects them then needs no other route than what they are
/// used to. @param take what a picker gives, or kNone
template <typename Take>
uint32_t endpoint_of_either_family(const Service& service, const wire::Address& client, Take&& take) {
  const uint8_t first = client.is_v4() ? 4 : 6;
  for (const uint8_t family : {first, static_cast<uint8_t>(10 - first)}) {
    const uint32_t index = take(service.picker(family));
    if (index != Picker::kNone) return index;
  }
  return Picker::kNone;
}

/// By which an endpoint for a whole connection is picked, from its client to whom it has asked for.
uint64_t connection_hash(const Service& service, const wire::ProxyHeader& ends);
/// By which one for a request is: of a value that the request has, else of its client.
uint64_t request_hash(const Service& service, const http::Fields& fields, const wire::ProxyHeader& ends);

/// The endpoint that a request's cookie names; nullptr: it has none.
const Endpoint* named_endpoint(const Service& service, const http::Fields& fields);
/// The named one, also while it is drained; else, or when that one is of no use and there is another, the balanced one.
/// @param left the named one has failed the request  @param balanced finds one; nullptr: there is none
template <typename Usable, typename Balanced>
const Endpoint* endpoint_for(const Endpoint* named, bool left, Usable&& usable, Balanced&& balanced) {
  const Endpoint* endpoint = named;
  if (named == nullptr || left || !usable(named->id)) endpoint = balanced();
  if (endpoint == nullptr || (named != nullptr && !left && !usable(endpoint->id))) endpoint = named;
  return endpoint;
}

http::HeadLimits limits_of(const HttpSettings& settings);
/// Brings the path of a request into its one form. False: it is to be refused.
/// @param to room for it  @param path becomes it
bool take_path(const HttpSettings& settings, const http::RequestHead& head, char* to, std::string_view& path);
/// The rule for a request whose path is in that form.
route::Found find_rule(const route::Table& routes, uint32_t listener, const http::RequestHead& head,
                       std::string_view path);

/// What a request came to.
struct RedirectedFrom {
  uint16_t port;
  bool over_tls;
};

/// Where a rule redirects a request to (HTTPRequestRedirectFilter): what it does not say stays as it was asked for.
/// @param prefix_length see route::Found
std::string redirect_target(const Redirect& to, const http::RequestHead& head, std::string_view path,
                            uint32_t prefix_length, const RedirectedFrom& listener);

}  // namespace flatproxy
