#pragma once

#include <cstdint>

#include "tcp/byte_queue.h"

namespace flatproxy::tcp {

/// A place in a queue's pieces.
struct Place {
  Segment* piece = nullptr;
  uint32_t offset = 0;
};

/// What a connection has to send: bytes that were sent and are not yet acknowledged, then those still to be sent. A
/// place stays what it is until the bytes in front of it are let go and no piece of it is left.
class SendQueue {
 public:
  uint32_t unsent() const { return unsent_; }
  uint32_t bytes() const { return queue_.bytes() - dropped_; }  ///< sent ones included
  uint32_t held() const { return queue_.held(); }

  void push(ByteQueue&& data) {
    unsent_ += data.bytes();
    queue_.append(std::move(data));
  }
  /// See ByteQueue::copy_in().
  uint32_t copy_in(const uint8_t* bytes, uint32_t n, Buffers& buffers) {
    const uint32_t copied = queue_.copy_in(bytes, n, buffers);
    unsent_ += copied;
    return copied;
  }

  /// Where the bytes to be sent begin; unsent() > 0.
  Place next() {
    if (next_.piece == nullptr) next_ = {queue_.first(), 0};
    while (next_.offset == next_.piece->length) next_ = {next_.piece->next, 0};
    return next_;
  }
  /// The next n bytes (n <= unsent(), n > 0) are sent.
  void advance(uint32_t n) {
    next();
    unsent_ -= n;
    next_.offset += n;
    while (next_.offset > next_.piece->length) next_ = {next_.piece->next, next_.offset - next_.piece->length};
  }

  /// The first n bytes (all of them sent) are acknowledged and asked for no more.
  void let_go(uint32_t n) {
    dropped_ += n;
    while (queue_.first() != nullptr && dropped_ >= queue_.first()->length) {
      if (queue_.first() == next_.piece) next_ = {};
      dropped_ -= queue_.first()->length;
      drop(queue_.pop());
    }
  }
  void clear() {
    queue_.clear();
    next_ = {};
    unsent_ = dropped_ = 0;
  }

 private:
  ByteQueue queue_;
  Place next_;  // piece nullptr: at the beginning
  uint32_t unsent_ = 0;
  uint32_t dropped_ = 0;  // bytes of the first piece that were let go
};

}  // namespace flatproxy::tcp
