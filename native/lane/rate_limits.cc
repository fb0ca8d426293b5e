#include "lane/rate_limits.h"

#include <algorithm>
#include <cmath>

namespace flatproxy {
namespace {

/// What a lane draws in advance, at most.
constexpr Nanoseconds kLongestAdvance = 1'000'000;

/// The time that a full bucket's tokens cost; of more than 36 years, which no clock sees, as much.
Nanoseconds depth_of(const PolicyLimit& limit) {
  constexpr double kDeepest = 1 << 30;
  const double seconds =
      static_cast<double>(limit.burst) * (static_cast<double>(limit.interval) / 1e9) / static_cast<double>(limit.rate);
  return static_cast<Nanoseconds>(std::llround(std::min(seconds, kDeepest) * 1e9));
}

}  // namespace

bool SharedBucket::take(Nanoseconds now, Nanoseconds span, Nanoseconds depth) {
  Nanoseconds spent = spent_until_.load(std::memory_order_relaxed);
  for (;;) {
    const Nanoseconds from = std::max(spent, now);
    if (from + std::min(span, depth) > now + depth) return false;
    if (spent_until_.compare_exchange_weak(spent, from + span, std::memory_order_relaxed)) return true;
  }
}

RateLimits::Drawn& RateLimits::drawn(const Policy& policy) {
  Drawn& drawn = drawn_[policy.counter];
  const auto& [of, rate, interval, burst] = policy.limit;
  if (drawn.rate != rate || drawn.interval != interval) drawn = {0, rate, interval};
  return drawn;
}

bool RateLimits::take(const Policy& policy, uint64_t tokens, Nanoseconds now) {
  const PolicyLimit& limit = policy.limit;
  Drawn& own = drawn(policy);
  const uint64_t cost = tokens * limit.interval;
  if (own.credit < cost) {
    SharedBucket& bucket = buckets_[policy.counter];
    const Nanoseconds depth = depth_of(limit);
    const Nanoseconds needed = (cost - own.credit + limit.rate - 1) / limit.rate;
    const Nanoseconds advance = lanes_ == 1 ? 0 : std::min(kLongestAdvance, depth / (Nanoseconds{16} * lanes_));
    Nanoseconds span = needed + advance;
    if (!bucket.take(now, span, depth)) {
      span = needed;
      if (advance == 0 || !bucket.take(now, span, depth)) return false;
    }
    own.credit += span * limit.rate;
  }
  own.credit -= cost;
  return true;
}

}  // namespace flatproxy
