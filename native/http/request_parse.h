#pragma once

#include "http/head_parse.h"

namespace flatproxy::http {

/// Parses the head of a request (RFC 9112 sections 2 to 6), strictly. What the result is depends on the bytes up to the
/// first error alone: a head may come in any pieces. One empty line in front of it is skipped (section 2.2).
/// @param bytes what has come, from the first byte of the head on; behind the head, anything
/// @param head  filled as far as there was no error
ParseError parse_request(std::string_view bytes, const HeadLimits& limits, RequestHead& head);

}  // namespace flatproxy::http
