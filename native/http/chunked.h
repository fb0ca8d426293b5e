#pragma once

#include <cstdint>

#include "http/parse_error.h"
#include "tcp/byte_queue.h"

namespace flatproxy::http {

/// Reads the chunked transfer coding (RFC 9112 section 7.1) and passes on what it carries, without copying. Chunk
/// extensions, which no recipient needs, are left out.
class ChunkedReader {
 public:
  /// What is passed on: the coding with its data and trailers, or the data alone.
  enum class Form : uint8_t { coded, plain };

  explicit ChunkedReader(Form form = Form::coded) : form_(form) {}

  /// Moves what belongs to the body from `in` to `out`. What follows its end stays.
  ParseError take(tcp::ByteQueue& in, tcp::ByteQueue& out, Buffers& buffers);
  bool done() const { return state_ == State::done; }
  /// Bytes of data so far.
  uint64_t data_bytes() const { return data_bytes_; }

  static constexpr uint32_t kMaxExtension = 1024;  ///< bytes of one line, behind its size
  static constexpr uint32_t kMaxTrailers = 8192;   ///< bytes of all

 private:
  enum class State : uint8_t {
    size_start,
    size,
    extension,
    size_end,
    data,
    data_return,
    data_end,
    trailer_start,
    trailer_name,
    trailer_value,
    trailer_end,
    last_end,
    done,
  };

  bool passes(uint8_t next) const;
  uint32_t run(const uint8_t* at, uint32_t n, ParseError& error);
  ParseError step(char c);
  ParseError size_byte(char c);
  ParseError extension_byte(char c);
  ParseError trailer_byte(char c);
  ParseError end_size();
  ParseError expect(char c, char wanted, State next);
  bool trailer_is_refused() const;

  uint64_t remaining_ = 0;
  uint64_t data_bytes_ = 0;
  uint16_t count_ = 0;  // digits, then bytes of an extension, then bytes of trailers
  State state_ = State::size_start;
  Form form_;
  uint8_t name_size_ = 0;
  char name_[19] = {};  // the front of a trailer's name: longer than any that is refused
};

}  // namespace flatproxy::http
