#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "packet/frame.h"
#include "packet/segment_pool.h"

namespace flatproxy::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

/// Segments each in memory of its own that ends where the room behind its content does, so that ASAN sees who reads on.
class ExactSegments : public SegmentPool {
 public:
  ExactSegments() : SegmentPool(0, 0) {}

  Segment* make(const uint8_t* bytes, size_t n, uint32_t room) {
    auto* segment = new Segment{};
    segment->pool = this;
    segment->capacity = static_cast<uint32_t>(n) + room;
    segment->buffer = new uint8_t[segment->capacity];
    segment->foreign = segment->buffer;
    segment->data = segment->buffer;
    segment->length = static_cast<uint32_t>(n);
    segment->references = 1;
    std::copy_n(bytes, n, segment->data);
    ++alive_;
    return segment;
  }

  /// A frame in segments of at most the given lengths; the rest in a last one. @param room behind the head's content
  Segment* frame(const uint8_t* bytes, size_t n, const uint8_t* lengths, size_t count, uint32_t room) {
    Segment* head = nullptr;
    Segment* last = nullptr;
    const auto total = static_cast<uint32_t>(n);
    for (size_t i = 0; i <= count; ++i) {
      const size_t take = i < count ? std::min<size_t>(lengths[i], n) : n;
      Segment* segment = make(bytes, take, head == nullptr ? room : 0);
      (head == nullptr ? head : last->next) = segment;
      last = segment;
      bytes += take;
      n -= take;
    }
    head->frame_length = total;
    return head;
  }

  uint32_t alive() const { return alive_; }

 protected:
  void give_back_from_afar(Segment* segment) override {
    delete[] segment->buffer;
    delete segment;
    --alive_;
  }

 private:
  uint32_t alive_ = 0;
};

}  // namespace flatproxy::fuzz
