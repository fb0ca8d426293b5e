#pragma once

#include <cstdint>

#include "packet/segment.h"

namespace flatproxy {

/// The frames that one pass through the lane handles together.
struct Burst {
  static constexpr uint32_t kSize = 64;
  uint32_t count = 0;
  Segment* frames[kSize];

  bool full() const { return count == kSize; }
  uint32_t room() const { return kSize - count; }
  void push(Segment* frame) { frames[count++] = frame; }
  Segment** begin() { return frames; }
  Segment** end() { return frames + count; }
};

}  // namespace flatproxy
