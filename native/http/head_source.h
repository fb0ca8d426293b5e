#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "http/parse_error.h"
#include "tcp/byte_queue.h"

namespace flatproxy::http {

/// How far the search for the end of a head has come.
class HeadProgress {
 public:
  /// Whether a head is to be parsed: its end has come, or an error that the parser will name, or as many bytes as it
  /// may have. Looks at each byte once, in whatever pieces they come.
  bool is_due(const tcp::ByteQueue& queue, uint32_t most);
  void restart() { *this = {}; }

 private:
  enum class State : uint8_t { line_start, line, return_at_start, return_in_line };

  bool look_at(const Segment* piece, uint32_t offset);

  uint32_t seen_ = 0;
  State state_ = State::line;
};

/// Shows the front of a byte stream as one text; copies it only when it lies in pieces.
class HeadSource {
 public:
  static constexpr uint32_t kMost = 16384;

  /// The first bytes of the queue, up to `most` (kMost at most) or as many as there are; until the next call.
  std::string_view front(const tcp::ByteQueue& queue, uint32_t most);

  /// Calls parse(text) with the front of the queue until there is more than an incomplete head, or no more text: with
  /// what lies in one piece first, as heads mostly do, whatever is behind them.
  template <typename Parse>
  ParseError parse_front(const tcp::ByteQueue& queue, uint32_t most, Parse&& parse) {
    const Segment* first = queue.first();
    if (first->length < queue.bytes() && first->length < most) {
      const ParseError error = parse(std::string_view(reinterpret_cast<const char*>(first->data), first->length));
      if (error != ParseError::incomplete) return error;
    }
    return parse(front(queue, most));
  }

 private:
  std::unique_ptr<uint8_t[]> copy_ = std::make_unique<uint8_t[]>(kMost);
};

}  // namespace flatproxy::http
