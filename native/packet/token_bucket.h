#pragma once

#include <algorithm>
#include <cstdint>

#include "packet/segment.h"

namespace flatproxy {

/// So many a second, and so many at once.
class TokenBucket {
 public:
  TokenBucket(uint32_t per_second, uint32_t burst)
      : interval_(kSecond / std::max(per_second, 1u)), full_(interval_ * burst), credit_(full_) {}

  /// False: there is no token. Time never runs backwards.
  bool take(Nanoseconds now) {
    credit_ = std::min(full_, credit_ + (now - last_));
    last_ = now;
    if (credit_ < interval_) return false;
    credit_ -= interval_;
    return true;
  }

 private:
  static constexpr Nanoseconds kSecond = 1'000'000'000;
  Nanoseconds interval_;  // what a token costs
  Nanoseconds full_;
  Nanoseconds credit_;
  Nanoseconds last_ = 0;
};

}  // namespace flatproxy
