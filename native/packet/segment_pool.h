#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "packet/segment.h"

namespace flatproxy {

/// Bytes kept free in front of a received frame, so that headers can grow without a copy.
constexpr uint32_t kHeadroom = 128;

/// A bounded pool of segments of one size, owned by one thread. Memory is touched as it is first used, and used
/// last-in-first-out, so that a quiet pool is small and a busy one stays in the cache.
/// allocate() and release of segments that never left are the owner's; a segment that was marked `away` may be
/// released by any thread: it goes through a lock-free stack that the owner empties when it runs dry.
class SegmentPool {
 public:
  /// @param segments how many segments at most  @param capacity bytes of storage of each, headroom included
  SegmentPool(uint32_t segments, uint32_t capacity);
  /// Every segment must have come home.
  virtual ~SegmentPool();
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;

  /// A segment with one reference, no content and `headroom` bytes in front; nullptr when the pool is empty.
  Segment* allocate(uint32_t headroom = kHeadroom) {
    Segment* segment = free_;
    if (segment == nullptr) [[unlikely]] {
      segment = refill();
      if (segment == nullptr) return nullptr;
    }
    free_ = segment->next;
    ++in_use_;
    reset(segment, headroom);
    return segment;
  }

  /// Gives one segment back, whatever its reference count: callers use release() below.
  void give_back(Segment* segment) {
    if (segment->away || segment->foreign != nullptr) [[unlikely]] {
      give_back_from_afar(segment);
      return;
    }
    segment->next = free_;
    free_ = segment;
    --in_use_;
  }

  uint32_t segments() const { return segments_; }
  uint32_t capacity() const { return capacity_; }
  /// Owner only. Whether allocate() would find n segments.
  bool has(uint32_t n) {
    if (segments_ - in_use_ < n) [[unlikely]]
      collect();
    return segments_ - in_use_ >= n;
  }
  /// Owner only. Segments that are out; those returned from afar count until the owner collects them.
  uint32_t in_use() const { return in_use_; }
  /// Owner only. How often allocate() found nothing.
  uint64_t exhausted() const { return exhausted_; }
  /// Owner only. Collects what other threads have returned.
  void collect();

 protected:
  /// Brings home a segment that is `away` or foreign; any thread. A pool of foreign buffers overrides it.
  virtual void give_back_from_afar(Segment* segment);
  /// Owner only. A foreign segment has come home through the return stack: the last of what it held ends here.
  virtual void settle(Segment*) {}

 private:
  static void reset(Segment* segment, uint32_t headroom) {
    segment->data = segment->buffer + headroom;
    segment->length = 0;
    segment->frame_length = 0;
    segment->next = nullptr;
    segment->references = 1;
    segment->away = false;
    segment->shared = false;
    segment->flags = 0;
    segment->gso_size = 0;
  }
  Segment* refill();

  Segment* free_ = nullptr;
  uint32_t in_use_ = 0;
  uint32_t fresh_ = 0;  // segments [fresh_, segments_) were never used
  uint32_t segments_;
  uint32_t capacity_;
  uint64_t exhausted_ = 0;
  size_t stride_;
  size_t bytes_;
  uint8_t* memory_ = nullptr;
  alignas(64) std::atomic<Segment*> returned_{nullptr};
};

}  // namespace flatproxy
