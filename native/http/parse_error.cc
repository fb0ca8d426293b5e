#include "http/parse_error.h"

#include <array>
#include <cstddef>

namespace flatproxy::http {
namespace {

struct About {
  ParseError error;
  const char* name;
  uint16_t status;
};

// clang-format off
constexpr std::array<About, kParseErrors> kAbout{{
    {ParseError::none,                    "none",                    200},
    {ParseError::incomplete,              "incomplete",              400},
    {ParseError::bad_request_line,        "bad_request_line",        400},
    {ParseError::bad_method,              "bad_method",              400},
    {ParseError::bad_target,              "bad_target",              400},
    {ParseError::target_too_long,         "target_too_long",         414},
    {ParseError::bad_version,             "bad_version",             400},
    {ParseError::unsupported_version,     "unsupported_version",     505},
    {ParseError::bad_status_line,         "bad_status_line",         502},
    {ParseError::bad_line_end,            "bad_line_end",            400},
    {ParseError::folded_field,            "folded_field",            400},
    {ParseError::bad_field_name,          "bad_field_name",          400},
    {ParseError::space_before_colon,      "space_before_colon",      400},
    {ParseError::bad_field_value,         "bad_field_value",         400},
    {ParseError::head_too_large,          "head_too_large",          431},
    {ParseError::too_many_fields,         "too_many_fields",         431},
    {ParseError::missing_host,            "missing_host",            400},
    {ParseError::several_hosts,           "several_hosts",           400},
    {ParseError::bad_host,                "bad_host",                400},
    {ParseError::host_mismatch,           "host_mismatch",           400},
    {ParseError::bad_content_length,      "bad_content_length",      400},
    {ParseError::several_content_lengths, "several_content_lengths", 400},
    {ParseError::length_and_encoding,     "length_and_encoding",     400},
    {ParseError::bad_transfer_encoding,   "bad_transfer_encoding",   400},
    {ParseError::unsupported_encoding,    "unsupported_encoding",    501},
    {ParseError::encoding_in_http10,      "encoding_in_http10",      400},
    {ParseError::unexpected_body,         "unexpected_body",         400},
    {ParseError::bad_connection,          "bad_connection",          400},
    {ParseError::bad_expectation,         "bad_expectation",         417},
    {ParseError::unexpected_switch,       "unexpected_switch",       502},
    {ParseError::bad_chunk,               "bad_chunk",               400},
    {ParseError::chunk_line_too_long,     "chunk_line_too_long",     400},
    {ParseError::bad_trailer,             "bad_trailer",             400},
    {ParseError::trailers_too_large,      "trailers_too_large",      431},
    {ParseError::no_buffers,              "no_buffers",              503},
}};
// clang-format on

constexpr bool in_order() {
  for (uint32_t i = 0; i < kParseErrors; ++i) {
    if (static_cast<uint32_t>(kAbout[i].error) != i) return false;
  }
  return true;
}
static_assert(in_order());

}  // namespace

const char* name_of(ParseError error) { return kAbout[static_cast<size_t>(error)].name; }
uint16_t status_of(ParseError error) { return kAbout[static_cast<size_t>(error)].status; }

}  // namespace flatproxy::http
