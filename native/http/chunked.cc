#include "http/chunked.h"

#include <algorithm>

#include "http/chars.h"
#include "http/field_id.h"

namespace flatproxy::http {
namespace {

constexpr uint32_t kMaxDigits = 15;  // of a chunk's size: what no 64-bit number overflows by

}  // namespace

ParseError ChunkedReader::take(tcp::ByteQueue& in, tcp::ByteQueue& out, Buffers& buffers) {
  ParseError error = ParseError::none;
  while (!in.empty() && !done()) {
    const uint8_t* const data = in.first()->data;
    const uint32_t length = in.first()->length;
    const bool pass = passes(data[0]);
    uint32_t n = 0;
    while (n < length && !done() && passes(data[n]) == pass && error == ParseError::none)
      n += run(data + n, length - n, error);
    if (error != ParseError::none) break;
    const uint32_t rest = in.bytes() - n;
    if (pass) {
      out.append(in.cut_front(n, buffers));
    } else {
      in.drop_front(n);
    }
    if (in.bytes() != rest) return ParseError::no_buffers;
  }
  return error;
}

/// Whether a byte that comes next is passed on.
bool ChunkedReader::passes(uint8_t next) const {
  if (form_ == Form::plain) return state_ == State::data;
  if (state_ == State::size) return next != ';';
  return state_ != State::extension || next == '\r';
}

/// Takes bytes that have one fate. Returns how many.
uint32_t ChunkedReader::run(const uint8_t* at, uint32_t n, ParseError& error) {
  if (state_ != State::data) {
    error = step(static_cast<char>(*at));
    return 1;
  }
  const auto taken = static_cast<uint32_t>(std::min<uint64_t>(remaining_, n));
  remaining_ -= taken;
  data_bytes_ += taken;
  if (remaining_ == 0) state_ = State::data_return;
  return taken;
}

ParseError ChunkedReader::step(char c) {
  switch (state_) {
    case State::size_start:
    case State::size:
      return size_byte(c);
    case State::extension:
      return extension_byte(c);
    case State::size_end:
      return c == '\n' ? end_size() : ParseError::bad_chunk;
    case State::data_return:
      return expect(c, '\r', State::data_end);
    case State::data_end:
      return expect(c, '\n', State::size_start);
    case State::last_end:
      return expect(c, '\n', State::done);
    default:
      return ++count_ > kMaxTrailers ? ParseError::trailers_too_large : trailer_byte(c);
  }
}

ParseError ChunkedReader::size_byte(char c) {
  if (is(c, kHexDigit)) {
    if (state_ == State::size_start) {
      remaining_ = count_ = 0;
      state_ = State::size;
    }
    remaining_ = remaining_ << 4 | hex_value(c);
    return ++count_ > kMaxDigits ? ParseError::bad_chunk : ParseError::none;
  }
  // White space may stand in front of an extension (section 7.1.1), but then some see an extension and some a size.
  if (state_ == State::size_start || (c != '\r' && c != ';')) return ParseError::bad_chunk;
  state_ = c == ';' ? State::extension : State::size_end;
  count_ = 0;
  return ParseError::none;
}

ParseError ChunkedReader::extension_byte(char c) {
  if (c == '\r') {
    state_ = State::size_end;
    return ParseError::none;
  }
  if (!is(c, kFieldValue)) return ParseError::bad_chunk;
  return ++count_ > kMaxExtension ? ParseError::chunk_line_too_long : ParseError::none;
}

ParseError ChunkedReader::end_size() {
  state_ = remaining_ > 0 ? State::data : State::trailer_start;
  count_ = 0;
  return ParseError::none;
}

ParseError ChunkedReader::expect(char c, char wanted, State next) {
  if (c != wanted) return ParseError::bad_chunk;
  state_ = next;
  return ParseError::none;
}

ParseError ChunkedReader::trailer_byte(char c) {
  const bool in_name = state_ == State::trailer_start || state_ == State::trailer_name;
  if (state_ == State::trailer_start && c == '\r') {
    state_ = State::last_end;
  } else if (in_name && is(c, kToken)) {
    if (state_ == State::trailer_start) name_size_ = 0;
    if (name_size_ < sizeof(name_)) name_[name_size_++] = c;
    state_ = State::trailer_name;
  } else if (state_ == State::trailer_name && c == ':') {
    if (trailer_is_refused()) return ParseError::bad_trailer;
    state_ = State::trailer_value;
  } else if (state_ == State::trailer_value && c == '\r') {
    state_ = State::trailer_end;
  } else if (state_ == State::trailer_end && c == '\n') {
    state_ = State::trailer_start;
  } else if (state_ != State::trailer_value || !is(c, kFieldValue)) {
    return ParseError::bad_trailer;
  }
  return ParseError::none;
}

/// What is about framing, routing or the connection has no place behind a body (RFC 9110 section 6.5.1).
bool ChunkedReader::trailer_is_refused() const {
  const FieldId id = field_id({name_, name_size_});
  return kHopByHop.has(id) || id == FieldId::host || id == FieldId::content_length || id == FieldId::trailer ||
         id == FieldId::expect || id == FieldId::forwarded || id == FieldId::cookie ||
         (id >= FieldId::x_forwarded_for && id <= FieldId::x_forwarded_proto);
}

}  // namespace flatproxy::http
