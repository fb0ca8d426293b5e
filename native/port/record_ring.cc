#include "port/record_ring.h"

#include <cstring>

namespace flatproxy {

RecordRing::Head RecordRing::head_at(uint64_t place) {
  Head head;
  std::memcpy(&head, at(place), sizeof(head));
  return head;
}

void RecordRing::put_head(uint64_t place, Head head) { std::memcpy(at(place), &head, sizeof(head)); }

/// A record lies in one piece: what is left at the memory's end is passed over.
std::byte* RecordRing::reserve(uint32_t size) {
  const uint32_t whole = (size + static_cast<uint32_t>(sizeof(Head)) + kAlignment - 1) / kAlignment * kAlignment;
  uint64_t tail = tail_.load(std::memory_order_relaxed);
  const auto to_end = static_cast<uint32_t>(size_ - tail % size_);
  const uint32_t skipped = to_end < whole ? to_end : 0;
  if (tail + skipped + whole - head_.load(std::memory_order_acquire) > size_) return nullptr;
  if (skipped > 0) put_head(tail, {skipped, 0});
  tail += skipped;
  put_head(tail, {whole, size});
  reserved_ = tail + whole;
  return at(tail) + sizeof(Head);
}

std::span<const std::byte> RecordRing::read() {
  if (read_ == tail_.load(std::memory_order_acquire)) return {};
  Head head = head_at(read_);
  if (head.length == 0) {
    read_ += head.whole;
    head = head_at(read_);
  }
  const std::byte* record = at(read_) + sizeof(Head);
  read_ += head.whole;
  return {record, head.length};
}

}  // namespace flatproxy
