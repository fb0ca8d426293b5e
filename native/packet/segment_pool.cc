#include "packet/segment_pool.h"

#include <sys/mman.h>

#include <new>

namespace flatproxy {
namespace {

constexpr size_t kFreshBatch = 64;

size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

/// An odd number of cache lines: the same line of all segments then spreads over every set of a cache, where a power of
/// two in the stride would crowd them into a few.
size_t stride_for(uint32_t capacity) {
  constexpr size_t kLine = alignof(Segment);
  const size_t lines = round_up(sizeof(Segment) + capacity, kLine) / kLine;
  return (lines | 1) * kLine;
}

}  // namespace

SegmentPool::SegmentPool(uint32_t segments, uint32_t capacity)
    : segments_(segments), capacity_(capacity), stride_(stride_for(capacity)), bytes_(stride_ * segments) {
  if (bytes_ == 0) return;
  void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  madvise(memory, bytes_, MADV_HUGEPAGE);
  memory_ = static_cast<uint8_t*>(memory);
}

SegmentPool::~SegmentPool() {
  if (memory_ != nullptr) munmap(memory_, bytes_);
}

void SegmentPool::collect() {
  Segment* segment = returned_.exchange(nullptr, std::memory_order_acquire);
  while (segment != nullptr) {
    Segment* next = segment->next;
    if (segment->foreign != nullptr) settle(segment);
    segment->next = free_;
    free_ = segment;
    --in_use_;
    segment = next;
  }
}

Segment* SegmentPool::refill() {
  collect();
  if (free_ != nullptr) return free_;
  for (size_t i = 0; i < kFreshBatch && fresh_ < segments_; ++i, ++fresh_) {
    auto* segment = new (memory_ + stride_ * fresh_) Segment{};
    segment->pool = this;
    segment->buffer = reinterpret_cast<uint8_t*>(segment + 1);
    segment->capacity = capacity_;
    segment->next = free_;
    free_ = segment;
  }
  if (free_ == nullptr) ++exhausted_;
  return free_;
}

void SegmentPool::give_back_from_afar(Segment* segment) {
  Segment* top = returned_.load(std::memory_order_relaxed);
  do {
    segment->next = top;
  } while (!returned_.compare_exchange_weak(top, segment, std::memory_order_release, std::memory_order_relaxed));
}

}  // namespace flatproxy
