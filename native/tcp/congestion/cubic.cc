#include <algorithm>
#include <cmath>

#include "tcp/congestion/congestion.h"

namespace flatproxy::tcp {
namespace {

// RFC 9438 section 4.6 and 4.3.
constexpr double kBeta = 0.7;
constexpr double kC = 0.4;  // segments / s^3
constexpr double kFriendlyAlpha = 3 * (1 - kBeta) / (1 + kBeta);

uint32_t milliseconds(Nanoseconds time) { return static_cast<uint32_t>(time / 1'000'000); }

/// RFC 9438, with HyStart++ (RFC 9406) in slow start.
class Cubic : public CongestionControl {
 public:
  void grow(CongestionWindow& window, const Growth& growth) const override {
    const uint32_t now = milliseconds(growth.now);
    // Section 5.8: time without use of the whole window is no time.
    if (!growth.limited && window.epoch_start != 0) window.epoch_start += now - window.last_limited;
    window.last_limited = now;
    if (!growth.limited) return;
    uint32_t bytes = growth.bytes;
    if (window.in_slow_start()) bytes -= grow_exponentially(window, growth);
    if (bytes > 0) avoid_congestion(window, growth, bytes);
  }

  // Section 4.6, with the multiplicative decrease of the window rather than of the flight, and section 4.7.
  void shrink(CongestionWindow& window, uint32_t /*in_flight*/, uint32_t mss) const override {
    const auto size = static_cast<float>(window.size);
    window.before = size;
    window.maximum = size < window.maximum ? size * static_cast<float>((1 + kBeta) / 2) : size;
    window.threshold = std::max(static_cast<uint32_t>(size * kBeta), kMinimumSegments * mss);
    window.epoch_start = 0;
    window.fraction = 0;
  }

 private:
  // Returns how many bytes of the acknowledgment it has used up.
  static uint32_t grow_exponentially(CongestionWindow& window, const Growth& growth) {
    const auto sample = static_cast<uint32_t>(growth.round_trip / 1000);
    const bool first = window.threshold == CongestionWindow::kNoThreshold;
    // Section 4.2 of RFC 9406: only the first slow start of a connection.
    if (first && window.slow_start.ends(growth.una, growth.next, sample)) {
      window.threshold = window.size;
      return 0;
    }
    const uint32_t step = first ? window.slow_start.growth(growth.bytes) : growth.bytes;
    const uint32_t room = window.threshold - window.size;
    window.size += std::min(step, room);
    return step < room ? growth.bytes : room;
  }

  static void avoid_congestion(CongestionWindow& window, const Growth& growth, uint32_t bytes) {
    const double size = window.size;
    const double mss = growth.mss;
    if (window.epoch_start == 0) begin_epoch(window, growth);
    const double t = (milliseconds(growth.now) - window.epoch_start) * 1e-3;

    // Section 4.3: as a Reno connection would have grown.
    const double alpha = window.estimate >= window.before ? 1 : kFriendlyAlpha;
    window.estimate += static_cast<float>(alpha * mss * bytes / size);

    // Section 4.2: W_cubic(t + RTT), held between the window and one and a half of it.
    const auto curve = [&](double at) {
      const double x = at - window.inflexion;
      return kC * x * x * x * mss + window.maximum;
    };
    if (curve(t) < window.estimate) {
      // Section 4.3: below the Reno-friendly estimate the window is the estimate.
      if (window.estimate > size) window.size = static_cast<uint32_t>(window.estimate);
      return;
    }
    const double target = std::clamp(curve(t + static_cast<double>(growth.smoothed) * 1e-9), size, 1.5 * size);
    window.fraction += static_cast<float>((target - size) / size * bytes);
    const auto whole = static_cast<uint32_t>(window.fraction);
    window.size += whole;
    window.fraction -= static_cast<float>(whole);
  }

  static void begin_epoch(CongestionWindow& window, const Growth& growth) {
    const auto size = static_cast<float>(window.size);
    window.epoch_start = std::max(milliseconds(growth.now), 1u);
    window.estimate = size;
    if (window.maximum < size) window.maximum = size;  // section 4.10: after slow start without a loss, K is 0
    window.inflexion = static_cast<float>(std::cbrt((double{window.maximum} - size) / growth.mss / kC));
  }
};

}  // namespace

const CongestionControl& cubic() {
  static const Cubic algorithm;
  return algorithm;
}

}  // namespace flatproxy::tcp
