#pragma once

#include <algorithm>
#include <cstdint>

namespace flatproxy::tcp {

/// Round-trip time of a connection and the retransmission timeout that follows from it (RFC 6298), in microseconds.
class RoundTrip {
 public:
  static constexpr uint32_t kInitialTimeout = 1'000'000;    ///< RFC 6298 section 2.1
  static constexpr uint32_t kMinimumVariation = 200'000;    ///< the timeout lies at least so far above the mean
  static constexpr uint32_t kMaximumTimeout = 120'000'000;  ///< RFC 6298 section 2.5
  static constexpr uint32_t kMinimumAge = 300'000'000;      ///< how long the least sample counts

  bool measured() const { return mean8_ != 0; }
  uint32_t smoothed() const { return mean8_ >> 3; }
  /// The least sample of the last five minutes or so; ~0 before there is one (RFC 8985 section 6.2, step 1).
  uint32_t minimum() const { return minimum_; }

  /// RFC 6298 section 2.3, alpha 1/8 and beta 1/4, in fixed point.
  /// @param now microseconds, wrapping
  void sample(uint32_t microseconds, uint32_t now) {
    microseconds = std::clamp(microseconds, 1u, kMaximumTimeout);
    if (microseconds <= minimum_ || now - minimum_at_ > kMinimumAge) {
      minimum_ = microseconds;
      minimum_at_ = now;
    }
    if (mean8_ == 0) {
      mean8_ = microseconds << 3;
      variation4_ = microseconds << 1;
      return;
    }
    const uint32_t mean = mean8_ >> 3;
    const uint32_t error = microseconds > mean ? microseconds - mean : mean - microseconds;
    variation4_ += error - (variation4_ >> 2);
    mean8_ += microseconds - mean;
    mean8_ = std::max(mean8_, 8u);
  }

  /// The timeout before any back-off.
  uint32_t timeout() const {
    if (mean8_ == 0) return kInitialTimeout;
    return std::min((mean8_ >> 3) + std::max(kMinimumVariation, variation4_), kMaximumTimeout);
  }

 private:
  uint32_t mean8_ = 0;       // smoothed round trip, times 8
  uint32_t variation4_ = 0;  // its variation, times 4
  uint32_t minimum_ = ~0u;
  uint32_t minimum_at_ = 0;
};

}  // namespace flatproxy::tcp
