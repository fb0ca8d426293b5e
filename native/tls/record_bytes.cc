#include "tls/record_bytes.h"

#include <algorithm>

namespace flatproxy::tls {
namespace {

constexpr uint32_t small_segments(uint32_t bytes) {
  return (bytes + Buffers::kSmallCapacity - 1) / Buffers::kSmallCapacity;
}

}  // namespace

PieceList::PieceList(const tcp::ByteQueue& bytes, uint32_t skip, uint32_t length) {
  for (Segment* s = bytes.first(); length > 0; s = s->next) {
    const uint32_t skipped = std::min(skip, s->length);
    skip -= skipped;
    const uint32_t take = std::min(s->length - skipped, length);
    if (take == 0) continue;
    pieces_[count_++] = {s->data + skipped, take};
    length -= take;
  }
}

Copying copying_of(const tcp::ByteQueue& bytes, uint32_t n) {
  constexpr uint32_t kRoom = 2;  // for pieces that hold no content: those of header and tag
  Copying copying{false, 0, 0};
  uint32_t kept = 0;
  uint32_t left = n;
  for (const Segment* s = bytes.first(); left > 0; s = s->next) {
    const uint32_t take = std::min(left, s->length);
    left -= take;
    if (!s->shared) {
      ++kept;
      continue;
    }
    ++copying.shared;
    copying.segments += small_segments(take);
  }
  if (kept + copying.segments + kRoom <= PieceList::kMost) return copying;
  return {true, copying.shared, small_segments(n)};
}

void make_own(tcp::ByteQueue& bytes, const Copying& copying, Buffers& buffers) {
  if (!copying.any()) return;
  tcp::ByteQueue own;
  while (bytes.first() != nullptr) {
    Segment* piece = bytes.pop();
    if (!copying.all && !piece->shared) {
      own.push(piece);
      continue;
    }
    own.copy_in(piece->data, piece->length, buffers);
    drop(piece);
  }
  bytes = std::move(own);
}

}  // namespace flatproxy::tls
