#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "packet/segment.h"

namespace flatproxy::upstream {

/// How many requests may be tried again, so that endpoints that fail do not get ever more of them: one in five of those
/// that have begun in the last ten seconds, or ten a second (retryConstraint of the Gateway API). Many that fail at
/// once, since their endpoint has died, may so be tried again at once.
class RetryBudget {
 public:
  static constexpr uint32_t kSeconds = 10;
  static constexpr uint32_t kLeast = 10 * kSeconds;
  static constexpr uint32_t kPart = 5;

  void begin_request(Nanoseconds now) { ++at(now).requests; }

  /// False: there were too many.
  bool take_retry(Nanoseconds now) {
    Slot& current = at(now);
    Slot sum;
    for (const Slot& slot : slots_) {
      if (slot.second + kSeconds <= current.second) continue;
      sum.requests += slot.requests;
      sum.retries += slot.retries;
    }
    if (sum.retries >= std::max(kLeast, sum.requests / kPart)) return false;
    ++current.retries;
    return true;
  }

 private:
  struct Slot {
    uint64_t second = 0;
    uint32_t requests = 0;
    uint32_t retries = 0;
  };

  Slot& at(Nanoseconds now) {
    const uint64_t second = now / 1'000'000'000;
    Slot& slot = slots_[second % kSeconds];
    if (slot.second != second) slot = {.second = second};
    return slot;
  }

  std::array<Slot, kSeconds> slots_{};
};

}  // namespace flatproxy::upstream
