#pragma once

#include "packet/loan_pool.h"
#include "packet/segment_pool.h"

namespace flatproxy {

/// What a lane allocates from: small segments hold an ordinary frame, large ones the rest of a 64 KB frame, and loans
/// let a frame carry bytes that stay in a queue.
struct Buffers {
  SegmentPool small;
  SegmentPool large;
  LoanPool loans;  // last: a loan that ends gives its lender back

  explicit Buffers(uint32_t small_segments = 8192, uint32_t large_segments = 2048, uint32_t loan_segments = 16384)
      : small(small_segments, kSmallCapacity), large(large_segments, kLargeCapacity), loans(loan_segments) {}
  static constexpr uint32_t kSmallCapacity = 2048 + kHeadroom;
  static constexpr uint32_t kLargeCapacity = 16384;
};

}  // namespace flatproxy
