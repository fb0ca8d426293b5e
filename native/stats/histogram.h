#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "packet/segment.h"
#include "stats/counter.h"

namespace flatproxy {

/// How durations are spread over buckets that grow with them: sixteen to each doubling, so that a duration is known to
/// a sixteenth of itself. Below 16 us each microsecond has its own; what is longer than 17.9 minutes is in the last.
namespace histogram {

constexpr uint32_t kSteps = 16;
constexpr uint32_t kLongestPower = 30;  // 2^30 us
constexpr uint32_t kBuckets = (kLongestPower - 4) * kSteps + kSteps;

constexpr uint32_t bucket_of(Nanoseconds duration) {
  const uint64_t us = static_cast<uint64_t>(duration) / 1000;
  if (us < kSteps) return static_cast<uint32_t>(us);
  const auto power = static_cast<uint32_t>(std::bit_width(us)) - 1;
  if (power >= kLongestPower) return kBuckets - 1;
  return (power - 3) * kSteps + static_cast<uint32_t>((us >> (power - 4)) % kSteps);
}

/// Microseconds at which a bucket ends and the next one begins.
constexpr uint64_t end_of(uint32_t bucket) {
  if (bucket < kSteps) return bucket + 1;
  const uint32_t power = bucket / kSteps + 3;
  return (uint64_t{kSteps} + bucket % kSteps + 1) << (power - 4);
}

}  // namespace histogram

/// Durations that one thread counts and any thread may read. Those of several lanes are merged by adding what each
/// bucket has.
class Histogram {
 public:
  void add(Nanoseconds duration) {
    buckets_[histogram::bucket_of(duration)].add(1);
    sum_.add(static_cast<uint64_t>(duration));
  }
  uint64_t read(uint32_t bucket) const { return buckets_[bucket].read(); }
  /// Nanoseconds.
  uint64_t sum() const { return sum_.read(); }

 private:
  Counter sum_;
  std::array<Counter, histogram::kBuckets> buckets_;
};

}  // namespace flatproxy
