#include "tcp/byte_queue.h"

#include <algorithm>
#include <cstring>

namespace flatproxy::tcp {

void ByteQueue::push_frame(Segment* frame, uint32_t offset, uint32_t length) {
  while (frame != nullptr) {
    Segment* next = frame->next;
    const uint32_t skip = std::min(offset, frame->length);
    offset -= skip;
    frame->data += skip;
    frame->length = std::min(frame->length - skip, length);
    length -= frame->length;
    if (frame->length > 0) {
      push(frame);
    } else {
      drop(frame);
    }
    frame = next;
  }
}

void ByteQueue::absorb(ByteQueue&& other, Buffers& buffers) {
  if (other.first_ == nullptr) return;
  // Room behind a loan is not its own, and in a foreign buffer that of whoever lent it.
  const bool fits = last_ != nullptr && last_->foreign == nullptr && other.bytes_ <= last_->tailroom();
  const bool wasteful = other.first_->foreign != nullptr || other.held_ > Buffers::kSmallCapacity + sizeof(Segment);
  if (other.bytes_ > kAbsorbed || (!fits && !wasteful)) {
    append(std::move(other));
    return;
  }
  while (other.first_ != nullptr) {
    const uint32_t copied = copy_in(other.first_->data, other.first_->length, buffers);
    other.drop_front(copied);
    if (copied == 0) return append(std::move(other));
  }
}

uint32_t ByteQueue::copy_in(const uint8_t* bytes, uint32_t n, Buffers& buffers) {
  uint32_t copied = 0;
  while (copied < n) {
    if (last_ == nullptr || last_->foreign != nullptr || last_->tailroom() == 0) {
      Segment* piece = buffers.small.allocate(0);
      if (piece == nullptr) break;
      push(piece);
    }
    const uint32_t take = std::min(n - copied, last_->tailroom());
    std::memcpy(last_->data + last_->length, bytes + copied, take);
    last_->length += take;
    bytes_ += take;
    copied += take;
  }
  return copied;
}

uint8_t* ByteQueue::extend(uint32_t n, Buffers& buffers) {
  if (last_ == nullptr || last_->foreign != nullptr || last_->tailroom() < n) {
    Segment* piece = buffers.small.allocate(0);
    if (piece == nullptr) return nullptr;
    push(piece);
  }
  uint8_t* bytes = last_->data + last_->length;
  last_->length += n;
  bytes_ += n;
  return bytes;
}

uint8_t* ByteQueue::prepend(uint32_t n, Buffers& buffers) {
  // What is in front of a piece's content may be what a loan shows.
  const bool fits =
      first_ != nullptr && first_->foreign == nullptr && first_->references == 1 && first_->headroom() >= n;
  if (!fits) {
    Segment* piece = buffers.small.allocate(n);
    if (piece == nullptr) return nullptr;
    piece->next = first_;
    first_ = piece;
    if (last_ == nullptr) last_ = piece;
    held_ += held_by(piece);
  }
  first_->data -= n;
  first_->length += n;
  bytes_ += n;
  return first_->data;
}

uint32_t ByteQueue::peek(uint8_t* to, uint32_t n) const {
  uint32_t copied = 0;
  for (const Segment* piece = first_; piece != nullptr && copied < n; piece = piece->next) {
    const uint32_t take = std::min(n - copied, piece->length);
    std::memcpy(to + copied, piece->data, take);
    copied += take;
  }
  return copied;
}

uint32_t ByteQueue::copy_out(uint8_t* to, uint32_t n) {
  const uint32_t copied = peek(to, n);
  drop_front(copied);
  return copied;
}

void ByteQueue::drop_front(uint32_t n) {
  while (n > 0) {
    if (n >= first_->length) {
      n -= first_->length;
      drop(pop());
      continue;
    }
    first_->data += n;
    first_->length -= n;
    bytes_ -= n;
    n = 0;
  }
}

void ByteQueue::take_back(uint8_t* to, uint32_t n) {
  if (n == 0) return;
  uint32_t kept = bytes_ - n;
  ByteQueue front;
  while (n > 0) {
    Segment* piece = pop();
    const uint32_t keep = std::min(kept, piece->length);
    kept -= keep;
    const uint32_t taken = piece->length - keep;
    if (to != nullptr && taken > 0) to = std::copy_n(piece->data + keep, taken, to);
    n -= taken;
    piece->length = keep;
    keep > 0 ? front.push(piece) : drop(piece);
  }
  *this = std::move(front);
}

ByteQueue ByteQueue::cut_front(uint32_t n, Buffers& buffers) {
  if (n == bytes_) return std::move(*this);
  ByteQueue front;
  while (first_ != nullptr && first_->length <= n) {
    n -= first_->length;
    front.push(pop());
  }
  if (n == 0) return front;
  // The loan is what is in front: a loan has no room behind it that anybody would write to.
  Segment* part = buffers.loans.borrow(first_, first_->data, n);
  if (part != nullptr) {
    front.push(part);
    drop_front(n);
    return front;
  }
  Segment* piece = pop();
  piece->length = n;
  front.push(piece);
  clear();
  return front;
}

void ByteQueue::clear() {
  while (first_ != nullptr) drop(pop());
}

}  // namespace flatproxy::tcp
