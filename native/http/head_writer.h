#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "tcp/byte_queue.h"

namespace flatproxy::http {

/// Writes texts into buffers, as they will be sent.
class HeadWriter {
 public:
  explicit HeadWriter(Buffers& buffers) : buffers_(buffers) {}
  ~HeadWriter() {
    if (piece_ != nullptr) drop(piece_);
  }
  HeadWriter(const HeadWriter&) = delete;
  HeadWriter& operator=(const HeadWriter&) = delete;

  HeadWriter& operator<<(std::string_view text) {
    if (text.empty()) return *this;  // it may be nowhere
    if (text.size() <= static_cast<size_t>(end_ - at_)) [[likely]] {
      std::memcpy(at_, text.data(), text.size());
      at_ += text.size();
    } else {
      write_on(text);
    }
    return *this;
  }
  HeadWriter& operator<<(uint64_t number) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
    return *this << std::string_view(digits, static_cast<size_t>(end - digits));
  }

  /// What was written; empty when the pool was. The writer may be used again.
  tcp::ByteQueue finish();

 private:
  void write_on(std::string_view text);
  void end_piece();

  Buffers& buffers_;
  tcp::ByteQueue written_;
  Segment* piece_ = nullptr;
  uint8_t* at_ = nullptr;   // in the piece: what comes next
  uint8_t* end_ = nullptr;  // of its room
  bool failed_ = false;
};

}  // namespace flatproxy::http
