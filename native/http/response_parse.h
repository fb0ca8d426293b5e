#pragma once

#include "http/head_parse.h"

namespace flatproxy::http {

/// What a response answers.
struct Asked {
  Method method = Method::get;
  bool websocket = false;  ///< a 101 may come
};

/// Whether another response follows to the same request (RFC 9110 section 15.2).
constexpr bool is_interim(uint16_t status) { return status < 200 && status != 101; }

/// Parses the head of a response as parse_request() does that of a request.
ParseError parse_response(std::string_view bytes, const HeadLimits& limits, const Asked& asked, ResponseHead& head);

}  // namespace flatproxy::http
