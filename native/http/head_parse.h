#pragma once

#include <cstdint>
#include <string_view>

#include "http/message.h"
#include "http/parse_error.h"

namespace flatproxy::http {

/// What a head may be at most.
struct HeadLimits {
  uint32_t bytes = 16384;
  uint32_t fields = 100;  ///< kMaxFields at most
  uint32_t target = 8192;
};

/// What is still to be parsed.
struct Cursor {
  const char* at;
  const char* end;
  bool done() const { return at == end; }
};

/// Takes a CR and its LF. ParseError::none: they were there.
ParseError take_line_end(Cursor& in);
/// Takes "HTTP/" and a version that is ours to speak.
ParseError take_version(Cursor& in, Version& version);
/// Takes field lines up to the empty line behind them.
ParseError take_fields(Cursor& in, uint32_t most, Fields& fields);

/// Whether there is more to come of a head that fills less than its limit.
inline ParseError unless_full(ParseError error, std::string_view bytes, const HeadLimits& limits) {
  if (error != ParseError::incomplete || bytes.size() < limits.bytes) return error;
  return ParseError::head_too_large;
}

ParseError read_connection(const Fields& fields, ConnectionOptions& options);
/// What Content-Length and Transfer-Encoding say of a body (RFC 9112 section 6.3); `none` without either.
ParseError read_framing(const Fields& fields, Version version, Body& body);
/// Whether Upgrade names WebSocket, alone, and Connection says that it is meant (RFC 6455 section 4).
bool names_websocket(const Fields& fields, const ConnectionOptions& options);
bool keeps_alive(Version version, const ConnectionOptions& options);

}  // namespace flatproxy::http
