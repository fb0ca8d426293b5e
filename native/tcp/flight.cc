#include "tcp/flight.h"

#include <algorithm>

namespace flatproxy::tcp {
namespace {

/// The index of the last unit in a mask that is not empty.
uint32_t last_of(uint64_t units) { return 63u - static_cast<uint32_t>(std::countl_zero(units)); }

}  // namespace

void Flight::sent(Sequence begin, uint32_t payload, bool fin, uint16_t unit, const Place& place, Nanoseconds now) {
  if (frames_.empty()) {
    judged_ = lost_from_ = frames_.end();
    foremost_ = begin;
    plain_ = true;
  }
  SentFrame& frame = frames_.append();
  frame.begin = begin;
  frame.length = payload + fin;
  frame.sent_at = now;
  frame.arrived = frame.lost = frame.resent = 0;
  frame.place.piece = place.piece;
  frame.place.offset = place.offset;
  frame.last_resend = frame.streak = 0;
  frame.unit = unit;
  frame.units = static_cast<uint8_t>(payload <= unit ? 1 : (payload + unit - 1) / unit);
  frame.acked = 0;
}

// The first frame that ends behind a sequence number.
uint32_t Flight::find(Sequence at) const {
  uint32_t low = frames_.begin();
  uint32_t count = frames_.size();
  while (count > 0) {
    const uint32_t half = count / 2;
    if (after(frames_[low + half].end(), at)) {
      count = half;
    } else {
      low += half + 1;
      count -= half + 1;
    }
  }
  return low;
}

void Flight::acknowledge(Sequence una, const AckContext& context, Arrivals& arrivals) {
  if (plain_ && !frames_.empty() && frames_.back().end() == una) return acknowledge_all(context, arrivals);
  foremost_before_ = foremost_;
  while (!frames_.empty()) {
    SentFrame& frame = frames_.front();
    const uint32_t acked = frame.units_until(una);
    if (acked == frame.acked) return;
    const uint64_t units = SentFrame::first(acked) & ~SentFrame::first(frame.acked);
    const uint64_t known = units & frame.arrived;
    sacked_ -= frame.bytes(known);
    sacked_segments_ -= static_cast<uint32_t>(std::popcount(known));
    if ((units & frame.resent) != 0) arrivals.resent = true;
    arrive(frame, units & ~known, context, arrivals);
    frame.acked = static_cast<uint8_t>(acked);
    if (acked < frame.units) return;
    frames_.pop();
  }
  resends_.clear();
}

// All that is in flight arrives, in order, and nothing of it was ever in doubt.
void Flight::acknowledge_all(const AckContext& context, Arrivals& arrivals) {
  const SentFrame& first = frames_.front();
  const SentFrame& last = frames_.back();
  arrivals.bytes += last.end() - first.begin - first.bytes(SentFrame::first(first.acked));
  arrivals.earliest_sent = std::min(arrivals.earliest_sent, first.sent_at);
  arrivals.latest_sent = std::max(arrivals.latest_sent, last.sent_at);
  context.rack.arrived(last.sent_at, last.end(), context.now);
  frames_.clear();
}

void Flight::acknowledge(const wire::SackBlock& block, const AckContext& context, Arrivals& arrivals) {
  plain_ = false;
  uint32_t number = find(block.begin);
  uint32_t streak = number;  // where the present streak of whole frames begins
  while (frames_.has(number) && before(frames_[number].begin, block.end)) {
    SentFrame& frame = frames_[number];
    if (frame.whole()) {
      number += std::max(frame.streak, 1u);
      continue;
    }
    const uint64_t units = SentFrame::first(frame.units_until(block.end)) &
                           ~SentFrame::first(frame.units_before(block.begin)) & ~frame.arrived;
    arrive(frame, units, context, arrivals);
    sacked_ += frame.bytes(units);
    sacked_segments_ += static_cast<uint32_t>(std::popcount(units));
    if (!frame.whole()) {
      if (number != streak) frames_[streak].streak = number - streak;
      streak = number + 1;
    }
    ++number;
  }
  if (frames_.has(streak) && number != streak) frames_[streak].streak = number - streak;
}

// Units of a frame, none of which was known to have arrived.
void Flight::arrive(SentFrame& frame, uint64_t units, const AckContext& context, Arrivals& arrivals) {
  if (units == 0) return;
  arrivals.bytes += frame.bytes(units);
  lost_ -= frame.bytes(units & frame.lost);
  frame.lost &= ~units;
  frame.arrived |= units;
  const uint64_t once = units & ~frame.resent;
  const uint64_t again = units & frame.resent;
  // In order of sequence, as far as whole groups are: what arrives last tells the round trip.
  if (once > again) arrive_again(frame, again, context);
  arrive_once(frame, once, context, arrivals);
  if (again > once) arrive_again(frame, again, context);
  foremost_ = later(foremost_, frame.end_of(last_of(units)));
}

void Flight::arrive_once(const SentFrame& frame, uint64_t units, const AckContext& context, Arrivals& arrivals) {
  if (units == 0) return;
  arrivals.earliest_sent = std::min(arrivals.earliest_sent, frame.sent_at);
  arrivals.latest_sent = std::max(arrivals.latest_sent, frame.sent_at);
  context.rack.arrived(frame.sent_at, frame.end_of(last_of(units)), context.now);
  // RFC 8985 section 6.2, step 3.
  const Sequence first_end = frame.end_of(static_cast<uint32_t>(std::countr_zero(units)));
  if (before(first_end, foremost_before_)) context.rack.saw_reordering();
}

// RFC 8985 section 6.2, step 2: of segments sent more than once, those count that cannot be the earlier sending.
void Flight::arrive_again(const SentFrame& frame, uint64_t units, const AckContext& context) {
  uint32_t number = frame.last_resend;
  while (units != 0 && resends_.has(number)) {
    const Resend& resend = resends_[number];
    const uint64_t here = units & resend.units;
    units &= ~here;
    const auto tick = static_cast<uint32_t>(resend.sent_at / 1'000'000);
    const bool of_earlier = context.has_echo && before(context.echo_tick, tick);
    const bool too_soon = context.minimum_round_trip != kNever &&  //
                          context.now - resend.sent_at < context.minimum_round_trip;
    if (here != 0 && !of_earlier && !too_soon) {
      context.rack.arrived(resend.sent_at, frame.end_of(last_of(here)), context.now);
    }
    if (resend.previous == number) return;
    number = resend.previous;
  }
}

void Flight::lose(uint32_t number, uint64_t units) {
  SentFrame& frame = frames_[number];
  units &= ~frame.lost & ~frame.arrived;
  if (units == 0) return;
  if (lost_ == 0 || static_cast<int32_t>(number - lost_from_) < 0) lost_from_ = number;
  frame.lost |= units;
  lost_ += frame.bytes(units);
  plain_ = false;
}

// First transmissions that are in doubt, oldest first. verdict(sent_at, frame, units) returns those it gives up, and
// ends the search when it does not give up all.
template <typename Verdict>
void Flight::doubt_first(Verdict&& verdict) {
  if (judged_ - frames_.begin() > frames_.size()) judged_ = frames_.begin();  // those before have been let go
  while (frames_.has(judged_)) {
    const SentFrame& frame = frames_[judged_];
    const uint64_t doubtful = frame.all() & ~frame.arrived & ~frame.lost & ~frame.resent;
    if (doubtful != 0) {
      const uint64_t given_up = verdict(frame.sent_at, frame, doubtful);
      lose(judged_, given_up);
      if (given_up != doubtful) return;
    }
    ++judged_;
  }
}

template <typename Verdict>
void Flight::doubt_resent(Verdict&& verdict) {
  while (!resends_.empty()) {
    const Resend& resend = resends_.front();
    if (frames_.has(resend.frame)) {
      const SentFrame& frame = frames_[resend.frame];
      const uint64_t doubtful = resend.units & ~frame.arrived & ~frame.lost;
      if (doubtful != 0) {
        const uint64_t given_up = verdict(resend.sent_at, frame, doubtful);
        lose(resend.frame, given_up);
        if (given_up != doubtful) return;
      }
    }
    resends_.pop();
  }
}

Nanoseconds Flight::judge(const Rack& rack, Nanoseconds window, Nanoseconds now) {
  if (!rack.known()) return 0;
  const Nanoseconds age = rack.round_trip() + window;
  Nanoseconds wait = 0;
  const auto verdict = [&](Nanoseconds sent_at, const SentFrame& frame, uint64_t units) -> uint64_t {
    if (sent_at > rack.sent_at()) return 0;
    // Sent at the same moment: those behind are not late.
    if (sent_at == rack.sent_at()) units &= SentFrame::first(frame.units_until(rack.end()));
    if (units != 0 && sent_at + age > now) {
      wait = std::max(wait, sent_at + age - now);
      return 0;
    }
    return units;
  };
  doubt_first(verdict);
  doubt_resent(verdict);
  return wait;
}

void Flight::time_out(Nanoseconds age, Nanoseconds now) {
  if (frames_.empty()) return;
  const SentFrame& frame = frames_.front();
  if ((frame.arrived >> frame.acked & 1) != 0) forget_sacks();
  const auto verdict = [&](Nanoseconds sent_at, const SentFrame&, uint64_t units) -> uint64_t {
    return sent_at + age <= now ? units : 0;
  };
  doubt_first(verdict);
  doubt_resent(verdict);
  lose_first();
}

void Flight::lose_first() {
  if (frames_.empty()) return;
  for (uint32_t number = frames_.begin(); frames_.has(number); ++number) {
    const SentFrame& frame = frames_[number];
    if (frame.whole()) {
      number += std::max(frame.streak, 1u) - 1;
      continue;
    }
    const uint64_t missing = frame.all() & ~frame.arrived;
    lose(number, missing & -missing);
    return;
  }
}

void Flight::lose_all() {
  for (uint32_t number = frames_.begin(); frames_.has(number); ++number) lose(number, frames_[number].all());
}

void Flight::forget_sacks() {
  for (uint32_t number = frames_.begin(); frames_.has(number); ++number) {
    SentFrame& frame = frames_[number];
    const uint64_t taken_back = frame.arrived & ~SentFrame::first(frame.acked);
    frame.arrived &= ~taken_back;
    frame.streak = 0;
    lose(number, taken_back);
  }
  sacked_ = sacked_segments_ = 0;
}

Flight::Repeat Flight::repeat_of(uint32_t number, uint64_t units) const {
  const SentFrame& frame = frames_[number];
  const auto first = static_cast<uint32_t>(std::countr_zero(units));
  const uint32_t skip = first * frame.unit;
  return {.number = number,
          .units = units,
          .begin = frame.begin + skip,
          .length = frame.bytes(units),
          .count = static_cast<uint32_t>(std::popcount(units)),
          .unit = frame.unit,
          .place = frame.place,
          .skip = skip};
}

bool Flight::next_lost(Repeat& repeat) {
  if (lost_ == 0) return false;
  while (!frames_.has(lost_from_) || frames_[lost_from_].lost == 0) ++lost_from_;
  const uint64_t lost = frames_[lost_from_].lost;
  const int first = std::countr_zero(lost);
  const auto run = static_cast<uint32_t>(std::countr_one(lost >> first));
  repeat = repeat_of(lost_from_, SentFrame::first(run) << first);
  return true;
}

Flight::Repeat Flight::last_segment() const {
  const uint32_t number = frames_.end() - 1;
  return repeat_of(number, uint64_t{1} << (frames_[number].units - 1));
}

void Flight::repeated(const Repeat& repeat, uint32_t n, Nanoseconds now) {
  plain_ = false;
  SentFrame& frame = frames_[repeat.number];
  const uint64_t units = repeat.units & SentFrame::first(static_cast<uint32_t>(std::countr_zero(repeat.units)) + n);
  lost_ -= frame.bytes(units & frame.lost);
  frame.lost &= ~units;
  const uint32_t number = resends_.end();
  const bool again = frame.resent != 0 && resends_.has(frame.last_resend);
  frame.resent |= units;
  resends_.push({units, now, repeat.number, again ? frame.last_resend : number});
  frame.last_resend = number;
}

void Flight::clear() {
  constexpr uint32_t kKept = 64;  // of elements: what a spare one may hold
  frames_.reset(kKept);
  resends_.reset(kKept);
  sacked_ = sacked_segments_ = lost_ = 0;
  recovery = {};
}

}  // namespace flatproxy::tcp
