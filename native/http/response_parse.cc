#include "http/response_parse.h"

#include "http/chars.h"
#include "http/scan.h"

namespace flatproxy::http {
namespace {

using Error = ParseError;

/// RFC 9112 section 4. The space behind the status is not missed when there is no reason either.
Error take_status(Cursor& in, ResponseHead& head) {
  if (in.done()) return Error::incomplete;
  if (*in.at != ' ') return Error::bad_status_line;
  for (int i = 1; i <= 3; ++i) {
    if (in.at + i == in.end) return Error::incomplete;
    if (!is(in.at[i], kDigit)) return Error::bad_status_line;
  }
  head.status = static_cast<uint16_t>((in.at[1] - '0') * 100 + (in.at[2] - '0') * 10 + (in.at[3] - '0'));
  if (head.status < 100 || head.status > 599) return Error::bad_status_line;
  in.at += 4;
  if (in.done()) return Error::incomplete;
  if (*in.at == '\r' || *in.at == '\n') return take_line_end(in);
  if (*in.at != ' ') return Error::bad_status_line;
  const char* const reason = ++in.at;
  in.at = skip_field_value(in.at, in.end);
  head.reason = {reason, static_cast<size_t>(in.at - reason)};
  if (!in.done() && *in.at != '\r' && *in.at != '\n') return Error::bad_status_line;
  return take_line_end(in);
}

/// RFC 9112 section 6.3.
Error read_body(const Asked& asked, ResponseHead& head) {
  Body said;
  if (const Error error = read_framing(head.fields, head.version, said); error != Error::none) return error;
  head.body = {};
  if (asked.method == Method::connect && head.status / 100 == 2) return Error::none;
  if (asked.method == Method::head || head.status == 304) return Error::none;
  if (head.status < 200 || head.status == 204) {
    const bool empty = said.kind == BodyKind::none || (said.kind == BodyKind::length && said.length == 0);
    return empty ? Error::none : Error::unexpected_body;
  }
  head.body = said;
  if (said.kind == BodyKind::none) head.body.kind = BodyKind::until_close;
  return Error::none;
}

Error interpret(const Asked& asked, ResponseHead& head) {
  Error error = read_connection(head.fields, head.connection);
  if (error == Error::none) error = read_body(asked, head);
  if (error != Error::none) return error;
  const bool may_switch = asked.websocket && names_websocket(head.fields, head.connection);
  if (head.status == 101 && !may_switch) return Error::unexpected_switch;
  head.keep_alive = keeps_alive(head.version, head.connection) && head.body.kind != BodyKind::until_close;
  return Error::none;
}

}  // namespace

ParseError parse_response(std::string_view bytes, const HeadLimits& limits, const Asked& asked, ResponseHead& head) {
  head.fields.clear();
  head.reason = {};
  const std::string_view seen = bytes.substr(0, limits.bytes);
  Cursor in{seen.data(), seen.data() + seen.size()};
  Error error = take_version(in, head.version);
  if (error == Error::none) error = take_status(in, head);
  if (error == Error::none) error = take_fields(in, limits.fields, head.fields);
  if (error != Error::none) return unless_full(error, bytes, limits);
  head.bytes = {seen.data(), static_cast<size_t>(in.at - seen.data())};
  return interpret(asked, head);
}

}  // namespace flatproxy::http
