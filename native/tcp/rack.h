#pragma once

#include <algorithm>
#include <cstdint>

#include "packet/segment.h"
#include "tcp/sequence.h"

namespace flatproxy::tcp {

/// What RACK remembers of a connection (RFC 8985 section 5.2): the transmission that was sent last among those that
/// have arrived, and how far out of order segments come.
class Rack {
 public:
  static constexpr uint32_t kDupThreshold = 3;
  static constexpr uint8_t kWindowPersists = 16;  ///< recoveries for which a widened window stays

  Nanoseconds sent_at() const { return sent_at_; }
  Sequence end() const { return end_; }
  Nanoseconds round_trip() const { return Nanoseconds{round_trip_us_} * 1000; }
  bool known() const { return sent_at_ != 0; }

  /// Section 6.2, step 2: a transmission has arrived. Of several that one acknowledgment names, in order of sequence.
  void arrived(Nanoseconds sent_at, Sequence end, Nanoseconds now) {
    round_trip_us_ = static_cast<uint32_t>(std::min<Nanoseconds>((now - sent_at + 999) / 1000, ~0u));
    if (!sent_after(sent_at, end, sent_at_, end_)) return;
    sent_at_ = sent_at;
    end_ = end;
  }
  /// Step 3: a segment that was sent once has arrived, and one sent after it did before.
  void saw_reordering() { reordering_seen_ = true; }

  /// Step 4: a duplicate selective acknowledgment has come; each round trip it widens the window once.
  void saw_duplicate(Sequence acknowledged, Sequence next) {
    if (widened_ && before(acknowledged, round_end_)) return;
    widened_ = true;
    round_end_ = next;
    multiplier_ = static_cast<uint8_t>(std::min(multiplier_ + 1, 255));
    persist_ = kWindowPersists;
  }
  void recovered() {
    if (persist_ == 0 || --persist_ != 0) return;
    multiplier_ = 1;
    widened_ = false;
  }

  /// Step 4: how much later than the transmission that has arrived an earlier one may come.
  /// @param minimum least round trip  @param smoothed round trip: the window is never longer
  Nanoseconds window(Nanoseconds minimum, Nanoseconds smoothed, bool recovering, uint32_t segments_sacked) const {
    if (!reordering_seen_ && (recovering || segments_sacked >= kDupThreshold)) return 0;
    return std::min(minimum / 4 * multiplier_, smoothed);
  }

  /// RACK_sent_after().
  static bool sent_after(Nanoseconds a, Sequence a_end, Nanoseconds b, Sequence b_end) {
    return a > b || (a == b && after(a_end, b_end));
  }

 private:
  Nanoseconds sent_at_ = 0;
  uint32_t round_trip_us_ = 0;
  Sequence end_ = 0;
  Sequence round_end_ = 0;
  uint8_t multiplier_ = 1;
  uint8_t persist_ = 0;
  bool widened_ = false;
  bool reordering_seen_ = false;
};

}  // namespace flatproxy::tcp
