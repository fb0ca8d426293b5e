#pragma once

#include <cstdint>

namespace flatproxy::http {

/// Why a message is refused. A message that two recipients might take for different ones is never passed on.
enum class ParseError : uint8_t {
  none,
  incomplete,  ///< no error: there is more to come
  bad_request_line,
  bad_method,
  bad_target,
  target_too_long,
  bad_version,
  unsupported_version,
  bad_status_line,
  bad_line_end,  ///< a CR without LF, or an LF without CR (RFC 9112 section 2.2)
  folded_field,  ///< obs-fold (RFC 9112 section 5.2)
  bad_field_name,
  space_before_colon,
  bad_field_value,
  head_too_large,
  too_many_fields,
  missing_host,
  several_hosts,
  bad_host,
  host_mismatch,  ///< an absolute target names another host than the Host field
  bad_content_length,
  several_content_lengths,
  length_and_encoding,  ///< both Content-Length and Transfer-Encoding (RFC 9112 section 6.3)
  bad_transfer_encoding,
  unsupported_encoding,
  encoding_in_http10,
  unexpected_body,    ///< one where none may be: CONNECT, TRACE; a response with status 1xx or 204
  bad_connection,     ///< a Connection field that nominates what a message cannot be without
  bad_expectation,    ///< another one than 100-continue
  unexpected_switch,  ///< a 101 that nobody has asked for, or to another protocol
  bad_chunk,
  chunk_line_too_long,
  bad_trailer,
  trailers_too_large,
  no_buffers,  ///< not the message's fault: there is no memory to split it
};
constexpr uint32_t kParseErrors = static_cast<uint32_t>(ParseError::no_buffers) + 1;

/// A word for each, as counters and logs name it: `bad_host`.
const char* name_of(ParseError error);
/// The status that a client is answered with when its request has this error.
uint16_t status_of(ParseError error);

}  // namespace flatproxy::http
