#pragma once

#include <atomic>
#include <cstdint>

#include "classify/policy.h"
#include "conntrack/region.h"
#include "packet/segment.h"

namespace flatproxy {

/// The bucket of a policy that limits, out of which all lanes draw. It is a point in time up to which tokens are spent
/// (the generic cell rate algorithm): what a token costs is time.
class SharedBucket {
 public:
  /// Spends so much time. False: there is not so much. Of more than the bucket holds there is enough when it is full.
  /// @param depth what a full bucket holds
  bool take(Nanoseconds now, Nanoseconds span, Nanoseconds depth);

 private:
  alignas(64) std::atomic<Nanoseconds> spent_until_{0};
};

/// By Policy::counter.
using SharedBuckets = Region<SharedBucket>;

/// What a lane has drawn of the buckets. A lane alone draws what each packet needs; one of several draws some more in
/// advance, so that they seldom meet at a bucket: together at most a sixteenth of what it holds.
class RateLimits {
 public:
  RateLimits(unsigned lanes, SharedBuckets& buckets) : lanes_(lanes), buckets_(buckets), drawn_(kMaxPolicies) {}

  /// False: the policy's limit is reached. Time never runs backwards.
  bool take(const Policy& policy, uint64_t tokens, Nanoseconds now);
  /// Of what take() gave.
  void give_back(const Policy& policy, uint64_t tokens) { drawn(policy).credit += tokens * policy.limit.interval; }

 private:
  struct Drawn {
    uint64_t credit;  // tokens times the interval: time times the rate
    uint64_t rate;    // at which it was drawn: at another one it is given up, as with another interval
    Nanoseconds interval;
  };
  Drawn& drawn(const Policy& policy);

  unsigned lanes_;
  SharedBuckets& buckets_;
  Region<Drawn> drawn_;
};

}  // namespace flatproxy
