#pragma once

#include <algorithm>
#include <cstdint>

#include "packet/segment.h"
#include "tcp/sequence.h"

namespace flatproxy::tcp {

/// HyStart++ (RFC 9406): leaves slow start when round trips become longer, by way of a slower one that may prove the
/// alarm false. Times in microseconds.
class HyStart {
 public:
  static constexpr uint32_t kMinThreshold = 4'000, kMaxThreshold = 16'000, kThresholdDivisor = 8;
  static constexpr uint32_t kSamples = 8, kGrowthDivisor = 4, kConservativeRounds = 5;

  /// Bytes by which slow start grows for an acknowledgment of so many.
  uint32_t growth(uint32_t bytes) const { return baseline_ == 0 ? bytes : bytes / kGrowthDivisor; }

  /// An acknowledgment in slow start. True: slow start is over, and the threshold becomes the window (section 4.2).
  /// @param round_trip of what was acknowledged, microseconds, 0: unknown
  bool ends(Sequence una, Sequence next, uint32_t round_trip) {
    if (!started_ || !before(una, round_end_)) begin_round(next);
    if (round_trip != 0) {
      current_ = std::min(current_, round_trip);
      samples_ = static_cast<uint8_t>(std::min<uint32_t>(samples_ + 1u, kSamples));
    }
    if (samples_ < kSamples || current_ == kUnknown) return rounds_ >= kConservativeRounds;
    if (baseline_ != 0) {
      if (current_ < baseline_) baseline_ = rounds_ = 0;  // the alarm was false
      return rounds_ >= kConservativeRounds;
    }
    if (last_ == kUnknown) return false;
    const uint32_t threshold = std::clamp(last_ / kThresholdDivisor, kMinThreshold, kMaxThreshold);
    if (current_ >= last_ + threshold) baseline_ = current_;
    return false;
  }

 private:
  static constexpr uint32_t kUnknown = ~0u;

  void begin_round(Sequence next) {
    if (baseline_ != 0) ++rounds_;
    started_ = true;
    round_end_ = next;
    last_ = current_;
    current_ = kUnknown;
    samples_ = 0;
  }

  Sequence round_end_ = 0;
  uint32_t last_ = kUnknown;     // least round trip of the last round
  uint32_t current_ = kUnknown;  // and of this one
  uint32_t baseline_ = 0;        // least round trip when conservative slow start began, 0: it has not
  uint8_t samples_ = 0;
  uint8_t rounds_ = 0;  // of conservative slow start
  bool started_ = false;
};

}  // namespace flatproxy::tcp
