#include "http/head_parse.h"

#include "http/chars.h"
#include "http/field_id.h"
#include "http/scan.h"

namespace flatproxy::http {
namespace {

constexpr uint32_t kMaxOptions = 32;  // of Connection, lest looking each field up among them becomes work

/// The value of a Content-Length (RFC 9110 section 8.6: 1*DIGIT). False: it is none, or beyond 2^63.
bool read_length(std::string_view text, uint64_t& length) {
  constexpr size_t kMaxDigits = 18;
  if (text.empty() || text.size() > kMaxDigits) return false;
  length = 0;
  for (const char c : text) {
    if (!is(c, kDigit)) return false;
    length = length * 10 + static_cast<uint64_t>(c - '0');
  }
  return true;
}

bool is_token(std::string_view text) {
  for (const char c : text) {
    if (!is(c, kToken)) return false;
  }
  return !text.empty();
}

/// What begins no field line: the empty one, which is taken, or an error. @param stop where no name goes on
ParseError take_no_field(Cursor& in, const char* stop) {
  if (stop == in.end) return ParseError::incomplete;
  const bool empty = stop == in.at;
  if (empty && (*stop == '\r' || *stop == '\n')) return take_line_end(in);
  if (*stop != ' ' && *stop != '\t') return ParseError::bad_field_name;
  return empty ? ParseError::folded_field : ParseError::space_before_colon;
}

/// Why a field's value does not end with its line. @param stop where no value goes on
ParseError no_value_end(const char* stop, const char* end) {
  if (stop == end) return ParseError::incomplete;
  if (*stop != '\r' && *stop != '\n') return ParseError::bad_field_value;
  Cursor in{stop, end};
  return take_line_end(in);
}

ParseError take_option(std::string_view option, ConnectionOptions& options) {
  if (equals_ignoring_case(option, "close")) {
    options.close = true;
  } else if (equals_ignoring_case(option, "keep-alive")) {
    options.keep_alive = true;
  } else if (equals_ignoring_case(option, "upgrade")) {
    options.upgrade = true;
  } else {
    if (!is_token(option)) return ParseError::bad_connection;
    const FieldId id = field_id(option);
    const bool needed = id == FieldId::host || id == FieldId::content_length || id == FieldId::transfer_encoding;
    if (needed) return ParseError::bad_connection;
    options.nominates = true;
  }
  return ParseError::none;
}

}  // namespace

ParseError take_line_end(Cursor& in) {
  if (in.done()) return ParseError::incomplete;
  if (*in.at != '\r') return ParseError::bad_line_end;
  if (in.end - in.at < 2) return ParseError::incomplete;
  if (in.at[1] != '\n') return ParseError::bad_line_end;
  in.at += 2;
  return ParseError::none;
}

ParseError take_version(Cursor& in, Version& version) {
  constexpr std::string_view kShape = "HTTP/0.0";
  constexpr std::string_view kUsual = "HTTP/1.1";
  if (std::string_view(in.at, static_cast<size_t>(in.end - in.at)).starts_with(kUsual)) [[likely]] {
    in.at += kUsual.size();
    version = Version::http11;
    return ParseError::none;
  }
  for (size_t i = 0; i < kShape.size(); ++i) {
    if (in.at + i == in.end) return ParseError::incomplete;
    const bool fits = kShape[i] == '0' ? is(in.at[i], kDigit) : in.at[i] == kShape[i];
    if (!fits) return ParseError::bad_version;
  }
  const char major = in.at[5];
  const char minor = in.at[7];
  in.at += kShape.size();
  if (major != '1' || minor > '1') return ParseError::unsupported_version;
  version = minor == '1' ? Version::http11 : Version::http10;
  return ParseError::none;
}

ParseError take_fields(Cursor& in, uint32_t most, Fields& fields) {
  const char* const end = in.end;
  for (;;) {
    const char* const name = in.at;
    const char* const colon = skip<kToken>(name, end);
    if (colon == end || *colon != ':' || colon == name) [[unlikely]]
      return take_no_field(in, colon);
    const char* const value = colon + 1;
    const char* const stop = skip_field_value(value, end);
    if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n') [[unlikely]]
      return no_value_end(stop, end);
    if (fields.count() == most) return ParseError::too_many_fields;
    in.at = stop + 2;
    const std::string_view named(name, static_cast<size_t>(colon - name));
    fields.add(named, trim({value, static_cast<size_t>(stop - value)}), field_id(named));
  }
}

ParseError read_connection(const Fields& fields, ConnectionOptions& options) {
  options = {};
  const Field* const first = fields.find(FieldId::connection);
  if (first == nullptr) return ParseError::none;
  // Mostly it says just this.
  if (!fields.repeats(FieldId::connection) && equals_ignoring_case(first->value, "keep-alive")) {
    options.keep_alive = true;
    return ParseError::none;
  }
  uint32_t count = 0;
  for (const Field& field : fields) {
    if (field.id != FieldId::connection) continue;
    for (std::string_view list = field.value; !list.empty();) {
      const std::string_view option = next_element(list);
      if (option.empty()) continue;
      if (++count > kMaxOptions) return ParseError::bad_connection;
      if (const ParseError error = take_option(option, options); error != ParseError::none) return error;
    }
  }
  return ParseError::none;
}

ParseError read_framing(const Fields& fields, Version version, Body& body) {
  body = {};
  const Field* const encoding = fields.find(FieldId::transfer_encoding);
  const Field* const length = fields.find(FieldId::content_length);
  if (encoding != nullptr) {
    if (length != nullptr) return ParseError::length_and_encoding;
    // RFC 9112 section 6.1: of a message of HTTP/1.0 the framing must be taken for faulty.
    if (version == Version::http10) return ParseError::encoding_in_http10;
    if (fields.repeats(FieldId::transfer_encoding)) return ParseError::bad_transfer_encoding;
    if (equals_ignoring_case(encoding->value, "chunked")) {
      body.kind = BodyKind::chunked;
      return ParseError::none;
    }
    const size_t comma = encoding->value.rfind(',');
    const bool chunked_at_last =
        comma != std::string_view::npos && equals_ignoring_case(trim(encoding->value.substr(comma + 1)), "chunked");
    return chunked_at_last ? ParseError::unsupported_encoding : ParseError::bad_transfer_encoding;
  }
  if (length == nullptr) return ParseError::none;
  // Equal ones might be taken for one (RFC 9112 section 6.3), but are not by all.
  if (fields.repeats(FieldId::content_length)) return ParseError::several_content_lengths;
  if (!read_length(length->value, body.length)) return ParseError::bad_content_length;
  body.kind = BodyKind::length;
  return ParseError::none;
}

bool names_websocket(const Fields& fields, const ConnectionOptions& options) {
  const Field* const field = fields.find(FieldId::upgrade);
  return field != nullptr && options.upgrade && !fields.repeats(FieldId::upgrade) &&
         equals_ignoring_case(field->value, "websocket");
}

bool keeps_alive(Version version, const ConnectionOptions& options) {
  return !options.close && (version == Version::http11 || options.keep_alive);
}

}  // namespace flatproxy::http
