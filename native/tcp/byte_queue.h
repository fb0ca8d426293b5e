#pragma once

#include <cstdint>
#include <utility>

#include "packet/buffers.h"
#include "packet/frame.h"

namespace flatproxy::tcp {

/// Memory that a segment occupies, whatever it holds: what bounds count.
inline uint32_t held_by(const Segment* piece) { return piece->capacity + static_cast<uint32_t>(sizeof(Segment)); }

/// A part of a byte stream, in pieces: segments held by one reference each and linked through Segment::next. Moving
/// bytes from queue to queue moves pieces; only what is small is copied.
class ByteQueue {
 public:
  ByteQueue() = default;
  ByteQueue(ByteQueue&& other) noexcept
      : first_(std::exchange(other.first_, nullptr)),
        last_(std::exchange(other.last_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)),
        held_(std::exchange(other.held_, 0)) {}
  ByteQueue& operator=(ByteQueue&& other) noexcept {
    if (this == &other) return *this;
    if (first_ != nullptr) clear();
    append(std::move(other));
    return *this;
  }
  ByteQueue(const ByteQueue&) = delete;
  ByteQueue& operator=(const ByteQueue&) = delete;
  ~ByteQueue() {
    if (first_ != nullptr) clear();
  }

  bool empty() const { return bytes_ == 0; }
  uint32_t bytes() const { return bytes_; }
  uint32_t held() const { return held_; }  ///< bytes of memory, see held_by()
  Segment* first() const { return first_; }

  /// Takes over a frame's content from `offset` on; what is in front of it is trimmed, empty segments are dropped.
  /// @param length bytes to take: what is behind them is trimmed, too
  void push_frame(Segment* frame, uint32_t offset, uint32_t length);
  /// Takes over one piece that is not empty.
  void push(Segment* piece) {
    piece->next = nullptr;
    if (last_ != nullptr) {
      last_->next = piece;
    } else {
      first_ = piece;
    }
    last_ = piece;
    bytes_ += piece->length;
    held_ += held_by(piece);
  }
  /// Takes over everything that another queue has.
  void append(ByteQueue&& other) {
    if (other.first_ == nullptr) return;
    if (last_ != nullptr) {
      last_->next = other.first_;
    } else {
      first_ = other.first_;
    }
    last_ = std::exchange(other.last_, nullptr);
    other.first_ = nullptr;
    bytes_ += std::exchange(other.bytes_, 0);
    held_ += std::exchange(other.held_, 0);
  }
  /// append(), but few bytes are copied into the spare room of the last piece if they fit, and out of buffers that are
  /// not small: many small segments do not hold a buffer each.
  void absorb(ByteQueue&& other, Buffers& buffers);
  static constexpr uint32_t kAbsorbed = 1024;  ///< more bytes than these are never copied
  /// Takes out the first piece; there is one.
  Segment* pop() {
    Segment* piece = first_;
    first_ = piece->next;
    if (first_ == nullptr) last_ = nullptr;
    bytes_ -= piece->length;
    held_ -= held_by(piece);
    return piece;
  }

  /// Copies bytes behind the last piece, into its spare room and small new ones. Returns how many it could: fewer only
  /// when the pool is empty.
  uint32_t copy_in(const uint8_t* bytes, uint32_t n, Buffers& buffers);
  /// n bytes behind the last piece, side by side, for the caller to write: in its spare room, or in a small segment.
  /// nullptr: the pool is empty. @param n at most Buffers::kSmallCapacity
  uint8_t* extend(uint32_t n, Buffers& buffers);
  /// The same in front of the first piece: in its headroom where nobody else may write, or in a small segment.
  uint8_t* prepend(uint32_t n, Buffers& buffers);
  /// Copies up to n bytes from the front; returns how many there were.
  uint32_t peek(uint8_t* to, uint32_t n) const;
  /// The same, and drops them.
  uint32_t copy_out(uint8_t* to, uint32_t n);
  /// Drops n bytes from the front (n <= bytes()).
  void drop_front(uint32_t n);
  /// Drops n bytes from the back (n <= bytes()).
  void drop_back(uint32_t n) { take_back(nullptr, n); }
  /// The same, and copies them.
  void take_back(uint8_t* to, uint32_t n);
  /// Cuts the first n bytes off (n <= bytes()) and returns them. Where that cuts a piece, both parts show its memory.
  /// When there is no loan for that, the rest of the piece goes with what is behind it: this queue is then empty.
  ByteQueue cut_front(uint32_t n, Buffers& buffers);
  void clear();

 private:
  Segment* first_ = nullptr;
  Segment* last_ = nullptr;
  uint32_t bytes_ = 0;
  uint32_t held_ = 0;
};

}  // namespace flatproxy::tcp
