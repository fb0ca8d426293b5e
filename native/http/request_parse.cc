#include "http/request_parse.h"

#include <algorithm>

#include "http/authority.h"
#include "http/chars.h"
#include "http/scan.h"

namespace flatproxy::http {
namespace {

using Error = ParseError;

constexpr std::string_view kRoot = "/";
constexpr std::string_view kAsterisk = "*";

Method method_of(std::string_view name) {
  // clang-format off
  switch (name.size()) {
    case 3: return name == "GET" ? Method::get : name == "PUT" ? Method::put : Method::other;
    case 4: return name == "POST" ? Method::post : name == "HEAD" ? Method::head : Method::other;
    case 5: return name == "PATCH" ? Method::patch : name == "TRACE" ? Method::trace : Method::other;
    case 6: return name == "DELETE" ? Method::remove : Method::other;
    case 7: return name == "OPTIONS" ? Method::options : name == "CONNECT" ? Method::connect : Method::other;
    default: return Method::other;
  }
  // clang-format on
}

Error take_method(Cursor& in, RequestHead& head) {
  const char* const begin = in.at;
  in.at = skip<kToken>(in.at, in.end);
  if (in.done()) return Error::incomplete;
  head.method_name = {begin, static_cast<size_t>(in.at - begin)};
  if (*in.at != ' ' || head.method_name.empty()) return Error::bad_method;
  head.method = method_of(head.method_name);
  ++in.at;
  return Error::none;
}

/// Takes the target up to the space behind it; `path` and `query` are what is before and behind its first '?'.
Error take_target(Cursor& in, uint32_t most, RequestHead& head) {
  const char* const begin = in.at;
  const char* const stop = in.end - in.at > most ? in.at + most + 1 : in.end;
  in.at = skip<kPath>(begin, stop);
  head.path = {begin, static_cast<size_t>(in.at - begin)};
  head.has_query = in.at != stop && *in.at == '?';
  const char* const query = head.has_query ? ++in.at : in.at;
  if (head.has_query) in.at = skip<kQuery>(in.at, stop);
  head.query = {query, static_cast<size_t>(in.at - query)};
  if (in.at == stop) return in.at - begin > most ? Error::target_too_long : Error::incomplete;
  head.target = {begin, static_cast<size_t>(in.at - begin)};
  if (*in.at == '\r' || *in.at == '\n') return Error::bad_request_line;  // HTTP/0.9
  if (*in.at != ' ') return Error::bad_target;
  if (head.target.empty()) return Error::bad_request_line;
  ++in.at;
  return Error::none;
}

/// '%' and two digits (RFC 3986 section 2.1). What "%zz" or "%00" is, is seen differently.
bool is_well_encoded(std::string_view target) {
  for (size_t at = 0; (at = target.find('%', at)) != std::string_view::npos; at += 3) {
    if (target.size() - at < 3 || !is(target[at + 1], kHexDigit) || !is(target[at + 2], kHexDigit)) return false;
    if (target[at + 1] == '0' && target[at + 2] == '0') return false;
  }
  return true;
}

/// RFC 9112 section 3.2.2.
Error read_absolute(RequestHead& head, Authority& authority) {
  const size_t colon = head.path.find("://");
  if (colon == std::string_view::npos) return Error::bad_target;
  head.scheme = head.path.substr(0, colon);
  if (!equals_ignoring_case(head.scheme, "http") && !equals_ignoring_case(head.scheme, "https"))
    return Error::bad_target;
  const std::string_view rest = head.path.substr(colon + 3);
  const size_t slash = std::min(rest.find('/'), rest.size());
  head.authority = rest.substr(0, slash);
  head.path = rest.substr(slash);
  // Section 3.2.4: OPTIONS without a path is about the server as a whole.
  if (head.path.empty()) head.path = head.method == Method::options && !head.has_query ? kAsterisk : kRoot;
  const auto parsed = parse_authority(head.authority);
  if (!parsed) return Error::bad_target;
  authority = *parsed;
  return Error::none;
}

/// RFC 9112 section 3.2.3.
Error read_connect(RequestHead& head, Authority& authority) {
  const auto parsed = parse_authority(head.target);
  if (!parsed || parsed->port.empty()) return Error::bad_target;
  head.authority = head.target;
  head.path = {};
  authority = *parsed;
  return Error::none;
}

/// Which of the four forms the target has (RFC 9112 section 3.2), and what it names.
Error read_target(RequestHead& head, Authority& authority) {
  if (!is_well_encoded(head.target)) return Error::bad_target;
  if (head.method == Method::connect) return read_connect(head, authority);
  if (head.target.front() == '/') return Error::none;
  if (head.target == kAsterisk) return head.method == Method::options ? Error::none : Error::bad_target;
  return read_absolute(head, authority);
}

/// RFC 9112 section 3.2: one Host field, which is that of the target if that names one.
Error read_host(RequestHead& head, const Authority& of_target) {
  const Field* const field = head.fields.find(FieldId::host);
  if (field == nullptr) return head.version == Version::http10 ? Error::none : Error::missing_host;
  if (head.fields.repeats(FieldId::host)) return Error::several_hosts;
  const auto host = parse_authority(field->value);
  if (!host) return Error::bad_host;
  if (head.authority.empty()) {
    head.authority = field->value;
    return Error::none;
  }
  std::string_view default_port = of_target.port;
  if (!head.scheme.empty()) default_port = equals_ignoring_case(head.scheme, "https") ? "443" : "80";
  return same_authority(of_target, *host, default_port) ? Error::none : Error::host_mismatch;
}

Error read_body(RequestHead& head) {
  if (const Error error = read_framing(head.fields, head.version, head.body); error != Error::none) return error;
  // RFC 9110 sections 9.3.6 and 9.3.8: neither has content, and not all that read them know it.
  const bool may_have = head.method != Method::connect && head.method != Method::trace;
  if (!may_have && (head.body.kind == BodyKind::chunked || head.body.length > 0)) return Error::unexpected_body;
  return Error::none;
}

bool has_body(const Body& body) { return body.kind == BodyKind::chunked || body.length > 0; }

/// RFC 9110 section 10.1.1.
Error read_expectation(RequestHead& head) {
  const Field* const field = head.fields.find(FieldId::expect);
  if (field == nullptr || head.version == Version::http10) return Error::none;
  if (head.fields.repeats(FieldId::expect) || !equals_ignoring_case(field->value, "100-continue"))
    return Error::bad_expectation;
  head.expects_continue = has_body(head.body);
  return Error::none;
}

/// Other protocols than WebSocket are not switched to (RFC 9110 section 7.8 lets a server ignore Upgrade): h2c would
/// carry requests that no route has seen.
bool asks_websocket(const RequestHead& head) {
  return names_websocket(head.fields, head.connection) && head.version == Version::http11 &&
         head.method == Method::get && !has_body(head.body);
}

Error interpret(RequestHead& head) {
  Authority authority;
  Error error = read_target(head, authority);
  if (error == Error::none) error = read_host(head, authority);
  if (error == Error::none) error = read_connection(head.fields, head.connection);
  if (error == Error::none) error = read_body(head);
  if (error == Error::none) error = read_expectation(head);
  head.keep_alive = keeps_alive(head.version, head.connection);
  head.asks_websocket = asks_websocket(head);
  return error;
}

Error take_request_line(Cursor& in, uint32_t max_target, RequestHead& head) {
  Error error = take_method(in, head);
  if (error == Error::none) error = take_target(in, max_target, head);
  if (error == Error::none) error = take_version(in, head.version);
  if (error == Error::none) error = take_line_end(in);
  return error;
}

Error parse(Cursor& in, const HeadLimits& limits, RequestHead& head) {
  if (!in.done() && *in.at == '\r') {
    if (const Error error = take_line_end(in); error != Error::none) return error;
  }
  const Error error = take_request_line(in, limits.target, head);
  return error == Error::none ? take_fields(in, limits.fields, head.fields) : error;
}

void clear(RequestHead& head) {
  head.scheme = head.authority = {};
  head.method = Method::other;
  head.expects_continue = head.asks_websocket = head.keep_alive = false;
  head.fields.clear();
}

}  // namespace

ParseError parse_request(std::string_view bytes, const HeadLimits& limits, RequestHead& head) {
  clear(head);
  const std::string_view seen = bytes.substr(0, limits.bytes);
  Cursor in{seen.data(), seen.data() + seen.size()};
  if (const Error error = parse(in, limits, head); error != Error::none) return unless_full(error, bytes, limits);
  head.bytes = {seen.data(), static_cast<size_t>(in.at - seen.data())};
  return interpret(head);
}

}  // namespace flatproxy::http
