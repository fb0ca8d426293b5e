#pragma once

#include <bit>
#include <cstdint>

#include "tcp/rack.h"
#include "tcp/ring.h"
#include "tcp/send_queue.h"
#include "tcp/sequence.h"
#include "wire/tcp_options.h"

namespace flatproxy::tcp {

/// A frame as it was sent: up to 64 wire segments, each one bit in the masks. A FIN counts one byte of the last one.
struct SentFrame {
  static constexpr uint32_t kMaxUnits = 64;

  Sequence begin = 0;
  uint32_t length = 0;       ///< of sequence space
  Nanoseconds sent_at = 0;   ///< for the first time
  uint64_t arrived = 0;      ///< acknowledged, selectively or not
  uint64_t lost = 0;         ///< given up and not sent again since
  uint64_t resent = 0;       ///< sent more than once
  Place place;               ///< of its first byte
  uint32_t last_resend = 0;  ///< number of its latest Resend, if there is one
  uint32_t streak = 0;       ///< frames from here on that are known to have arrived whole
  uint16_t unit = 0;         ///< bytes of each segment but the last one
  uint8_t units = 0;
  uint8_t acked = 0;  ///< units at the front that are acknowledged not only selectively

  Sequence end() const { return begin + length; }
  uint64_t all() const { return ~uint64_t{0} >> (kMaxUnits - units); }
  bool whole() const { return arrived == all(); }
  /// The first n units.
  static uint64_t first(uint32_t n) { return n == 0 ? 0 : ~uint64_t{0} >> (kMaxUnits - n); }
  /// How many units end at or before a sequence number; how many begin before it.
  uint32_t units_until(Sequence at) const {
    if (!before(begin, at)) return 0;
    return at - begin >= length ? units : std::min((at - begin) / unit, units - 1u);
  }
  uint32_t units_before(Sequence at) const {
    return before(begin, at) ? std::min((at - begin + unit - 1u) / unit, uint32_t{units}) : 0;
  }
  Sequence end_of(uint32_t index) const { return index + 1u == units ? end() : begin + (index + 1) * unit; }
  uint32_t bytes(uint64_t mask) const {
    const auto sum = static_cast<uint32_t>(std::popcount(mask)) * unit;
    return (mask >> (units - 1) & 1) == 0 ? sum : sum - (units * unit - length);
  }
};

/// Where loss recovery stands: nothing is amiss; the window shrinks for a mark (RFC 3168) or a loss that a probe has
/// mended; segments were lost (RFC 6675); the timer has fired.
enum class Phase : uint8_t { open, reduced, recovery, loss };

/// Loss recovery of what is in flight.
struct Recovery {
  Phase phase = Phase::open;
  uint8_t duplicates = 0;      ///< duplicate acknowledgments of a receiver without SACK
  bool probing = false;        ///< a tail loss probe is out (RFC 8985 section 7)...
  bool probe_resent = false;   ///< ...and was a repetition
  bool limited = false;        ///< the window was full at some time since limited_from
  Sequence point = 0;          ///< RecoveryPoint
  Sequence probe_end = 0;      ///< TLP.end_seq
  Sequence limited_until = 0;  ///< until this is acknowledged `limited` and `most_out` hold
  uint32_t most_out = 0;       ///< most bytes in flight
  uint32_t delivered = 0;      ///< prr_delivered (RFC 6937 section 3)
  uint32_t out = 0;            ///< prr_out
  uint32_t flight = 0;         ///< RecoverFS
};

/// What an acknowledgment has told.
struct Arrivals {
  uint32_t bytes = 0;                  ///< that have arrived and were not known to
  Nanoseconds earliest_sent = kNever;  ///< the earliest and the latest sending of what was sent only once
  Nanoseconds latest_sent = 0;
  bool resent = false;  ///< something that was sent more than once was acknowledged
};

/// How an acknowledgment is to be read.
struct AckContext {
  Rack& rack;
  Nanoseconds now;
  Nanoseconds minimum_round_trip;  ///< kNever: unknown
  bool has_echo;                   ///< it echoes a timestamp...
  uint32_t echo_tick;              ///< ...of a segment that was sent in this millisecond
};

/// What a connection has sent and not yet had acknowledged: the scoreboard of RFC 6675, and in what order RACK (RFC
/// 8985) is to doubt it. First transmissions stand in the order of their numbers and of time alike, repetitions in a
/// queue of their own, so that looking for losses never passes over what is still young. A selective acknowledgment is
/// found by binary search, and streaks of what has arrived are stepped over.
class Flight {
 public:
  Recovery recovery;

  bool empty() const { return frames_.empty(); }
  /// Bytes that are thought to be on the way (RFC 6675 section 4, "pipe").
  uint32_t pipe(Sequence una, Sequence next) const {
    const uint32_t out = next - una;
    const uint32_t gone = sacked_ + lost_;
    return out > gone ? out - gone : 0;
  }
  uint32_t lost() const { return lost_; }                        ///< bytes
  uint32_t sacked() const { return sacked_; }                    ///< bytes
  uint32_t sacked_segments() const { return sacked_segments_; }  ///< wire segments
  Sequence begin() const { return frames_[frames_.begin()].begin; }

  /// @param payload bytes, of `unit` in each wire segment  @param fin with the last one (or alone)
  void sent(Sequence begin, uint32_t payload, bool fin, uint16_t unit, const Place& place, Nanoseconds now);

  /// Everything before `una` has arrived. Whole frames are let go.
  void acknowledge(Sequence una, const AckContext& context, Arrivals& arrivals);
  /// A block has arrived; it lies between SND.UNA and SND.NXT.
  void acknowledge(const wire::SackBlock& block, const AckContext& context, Arrivals& arrivals);

  /// RFC 8985 section 6.2, step 5: gives up what was sent before `rack`'s and has not come within `window`. Returns how
  /// long to wait for the next one that may have to be given up, 0: there is none.
  Nanoseconds judge(const Rack& rack, Nanoseconds window, Nanoseconds now);
  /// RFC 8985 section 6.3: the timer has fired. Gives up the first segment and whatever is older than `age`; forgets
  /// selective acknowledgments that the receiver has taken back (RFC 2018 section 8).
  void time_out(Nanoseconds age, Nanoseconds now);
  /// Gives up the first segment that has not arrived (RFC 6582: without selective acknowledgments).
  void lose_first();
  /// Gives up everything, to be sent anew in smaller segments.
  void lose_all();

  /// Segments to be sent again: what a Repeat names has one frame's bytes.
  struct Repeat {
    uint32_t number;  ///< of the frame
    uint64_t units;
    Sequence begin;
    uint32_t length;
    uint32_t count;  ///< of units...
    uint16_t unit;   ///< ...of so many bytes each, but perhaps the last one
    Place place;     ///< of the frame's first byte...
    uint32_t skip;   ///< ...and how many bytes lie in front of the repeat's
    uint32_t bytes_of(uint32_t n) const { return n >= count ? length : n * unit; }
  };
  /// The first lost segments that are adjacent. False: there are none.
  bool next_lost(Repeat& repeat);
  /// The last segment sent, whatever is known of it; the flight is not empty.
  Repeat last_segment() const;
  /// The first n units of it (or all) have been sent again.
  void repeated(const Repeat& repeat, uint32_t n, Nanoseconds now);

  void clear();

 private:
  struct Resend {
    uint64_t units;
    Nanoseconds sent_at;
    uint32_t frame;
    uint32_t previous;  // the same frame's one before, if it is still there
  };

  uint32_t find(Sequence at) const;
  void acknowledge_all(const AckContext& context, Arrivals& arrivals);
  void arrive(SentFrame& frame, uint64_t units, const AckContext& context, Arrivals& arrivals);
  void arrive_once(const SentFrame& frame, uint64_t units, const AckContext& context, Arrivals& arrivals);
  void arrive_again(const SentFrame& frame, uint64_t units, const AckContext& context);
  void lose(uint32_t number, uint64_t units);
  void forget_sacks();
  template <typename Verdict>
  void doubt_first(Verdict&& verdict);
  template <typename Verdict>
  void doubt_resent(Verdict&& verdict);
  Repeat repeat_of(uint32_t number, uint64_t units) const;

  Ring<SentFrame> frames_;
  Ring<Resend> resends_;
  uint32_t sacked_ = 0;
  uint32_t sacked_segments_ = 0;
  uint32_t lost_ = 0;
  uint32_t judged_ = 0;           // frames before have no first transmission left to doubt
  uint32_t lost_from_ = 0;        // frames before have nothing lost
  Sequence foremost_ = 0;         // end of the foremost segment that has arrived
  Sequence foremost_before_ = 0;  // the same before the present acknowledgment
  bool plain_ = true;             // nothing in flight was lost, repeated or selectively acknowledged
};

}  // namespace flatproxy::tcp
