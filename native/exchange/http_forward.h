#pragma once

#include <string_view>

#include "config/affinity_table.h"
#include "config/http_route.h"
#include "config/http_settings.h"
#include "http/head_writer.h"
#include "http/message.h"
#include "http/trace_context.h"
#include "upstream/target.h"

namespace flatproxy {

/// What a request becomes on its way to an endpoint, beside what RFC 9110 section 7.6 asks of every intermediary.
struct RequestForward {
  const HttpSettings& settings;
  const HttpRule& rule;
  const HttpBackend& backend;
  const RelayClient& client;
  std::string_view path;                     ///< normalized
  uint32_t prefix_length = 0;                ///< of the path that the rule has matched
  const http::TraceParent* trace = nullptr;  ///< that the request begins: what it says of one does not count
  bool trusted = false;                      ///< what the client's side says of those in front of it is believed
};

/// Writes the head that an endpoint gets, in origin form, for a connection that stays open.
void write_request(http::HeadWriter& out, const http::RequestHead& head, const RequestForward& forward);

/// What a response becomes on its way to a client.
struct ResponseForward {
  const HttpRule& rule;
  const HttpBackend& backend;
  http::Version client = http::Version::http11;
  bool keep_alive = true;  ///< another request may follow
  bool tunnel = false;     ///< a tunnel follows (CONNECT, 101)
  AffinityCookie cookie;
};

/// Writes the head that a client gets.
void write_response(http::HeadWriter& out, const http::ResponseHead& head, const ResponseForward& forward);
/// The same of a 1xx, which is passed on as it is.
void write_interim(http::HeadWriter& out, const http::ResponseHead& head);

/// A path that has another in place of itself, or of the prefix that was matched.
struct ChangedPath {
  std::string_view front;
  std::string_view rest;
  static ChangedPath of(std::string_view path, uint32_t prefix_length, const PathChange& change);
};

}  // namespace flatproxy
