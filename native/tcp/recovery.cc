#include "tcp/recovery.h"

#include <algorithm>

namespace flatproxy::tcp {
namespace {

Nanoseconds nanoseconds(uint32_t microseconds) { return Nanoseconds{microseconds} * 1000; }

void shrink(Context& context, Connection& c) {
  context.settings.congestion->shrink(c.congestion, c.in_flight(), c.mss);
}

void begin_reduction(Context& context, Connection& c, Phase phase) {
  Recovery& r = c.flight->recovery;
  // A reduction that turns into a recovery is one event of congestion.
  if (r.phase != Phase::reduced) {
    shrink(context, c);
    r.delivered = r.out = 0;
    r.flight = std::max(c.in_flight(), 1u);
    r.point = c.next;
  }
  r.phase = phase;
}

// RFC 6937 section 3 with its slow start reduction bound: as much is sent as was delivered, in proportion while the
// pipe is above the threshold.
void reduce_proportionally(Connection& c, uint32_t delivered, bool safe) {
  Recovery& r = c.flight->recovery;
  const uint32_t pipe = pipe_of(c);
  const uint32_t threshold = c.congestion.threshold;
  r.delivered += delivered;
  int64_t send;
  if (pipe > threshold) {
    send = static_cast<int64_t>((uint64_t{r.delivered} * threshold + r.flight - 1) / r.flight) - r.out;
  } else {
    int64_t limit = std::max<int64_t>(int64_t{r.delivered} - r.out, delivered);
    if (safe) limit += c.mss;
    send = std::min<int64_t>(int64_t{threshold} - pipe, limit);
  }
  if (r.out == 0 && r.phase == Phase::recovery) send = std::max<int64_t>(send, c.mss);  // the fast retransmit itself
  c.congestion.size = pipe + static_cast<uint32_t>(std::max<int64_t>(send, 0));
}

void end_recovery(Connection& c) {
  Recovery& r = c.flight->recovery;
  if (r.phase != Phase::loss) c.congestion.size = c.congestion.threshold;
  if (r.phase == Phase::recovery) c.rack.recovered();
  r.phase = Phase::open;
  r.duplicates = 0;
}

// RFC 7661 has the reasons: a window that is not used proves nothing. In slow start half of it is enough use.
bool is_limited(const Connection& c) {
  const Recovery& r = c.flight->recovery;
  if (c.congestion.in_slow_start()) return c.congestion.size < 2 * uint64_t{r.most_out};
  return r.limited;
}

}  // namespace

uint32_t pipe_of(const Connection& c) {
  if (c.flight == nullptr) return 0;
  const uint32_t pipe = c.flight->pipe(c.una, c.next);
  const uint32_t gone = uint32_t{c.flight->recovery.duplicates} * c.mss;
  return pipe > gone ? pipe - gone : 0;
}

uint32_t congestion_room(const Connection& c) {
  const uint32_t pipe = pipe_of(c);
  return c.congestion.size > pipe ? c.congestion.size - pipe : 0;
}

Nanoseconds reordering_window(const Connection& c) {
  const Recovery& r = c.flight->recovery;
  const bool recovering = r.phase == Phase::recovery || r.phase == Phase::loss;
  const uint32_t least = c.round_trip.minimum();
  return c.rack.window(least == ~0u ? 0 : nanoseconds(least), nanoseconds(c.round_trip.smoothed()), recovering,
                       c.flight->sacked_segments());
}

bool look_for_losses(Context& context, Connection& c) {
  Flight& flight = *c.flight;
  Recovery& r = flight.recovery;
  if (flight.empty()) return false;
  const uint32_t known = flight.lost();
  if (c.has(kSackOk)) {
    const Nanoseconds wait = flight.judge(c.rack, reordering_window(c), context.now);
    if (wait > 0) {
      c.retransmit = Retransmit::reordering;
      c.retransmit_at = context.now + wait;
    }
  } else if (r.duplicates >= Rack::kDupThreshold && r.phase == Phase::open) {
    flight.lose_first();  // RFC 6582 section 3.2, step 2
  }
  if (flight.lost() > 0 && (r.phase == Phase::open || r.phase == Phase::reduced)) {
    begin_reduction(context, c, Phase::recovery);
  }
  return flight.lost() > known;
}

void doubt_again(Context& context, Connection& c) {
  const Phase phase = c.flight->recovery.phase;
  look_for_losses(context, c);
  if (phase != Phase::recovery && c.flight->recovery.phase == Phase::recovery) reduce_proportionally(c, 0, false);
}

void steer_window(Context& context, Connection& c, const Progress& progress) {
  Flight& flight = *c.flight;
  Recovery& r = flight.recovery;
  const bool after_loss = r.phase == Phase::loss;  // slow start, up to the acknowledgment that ends it
  if (r.phase != Phase::open && !before(c.una, r.point)) {
    end_recovery(c);
    if (flight.lost() > 0) begin_reduction(context, c, Phase::recovery);
    if (!after_loss) return;
  }
  if (r.phase == Phase::recovery || r.phase == Phase::reduced) {
    reduce_proportionally(c, progress.delivered, progress.acked > 0 && !progress.lost);
    return;
  }
  if (progress.acked == 0) return;
  const bool limited = after_loss || is_limited(c);
  context.settings.congestion->grow(c.congestion, {.now = context.now,
                                                   .round_trip = progress.round_trip,
                                                   .smoothed = nanoseconds(c.round_trip.smoothed()),
                                                   .una = c.una,
                                                   .next = c.next,
                                                   .bytes = progress.delivered,
                                                   .mss = c.mss,
                                                   .limited = limited});
}

void reduce_window(Context& context, Connection& c) {
  if (c.flight == nullptr || c.flight->recovery.phase != Phase::open) return;  // once in a round trip
  begin_reduction(context, c, Phase::reduced);
}

void begin_loss(Context& context, Connection& c) {
  Flight& flight = *c.flight;
  Recovery& r = flight.recovery;
  // RFC 5681 section 3.1: the threshold only for the first of several timeouts.
  if (c.backoff == 0) shrink(context, c);
  flight.time_out(c.rack.round_trip() + reordering_window(c), context.now);
  r.phase = Phase::loss;
  r.point = c.next;
  r.duplicates = 0;
  r.probing = false;
  c.congestion.size = pipe_of(c) + c.mss;
  if (c.backoff < 255) ++c.backoff;
}

uint32_t initial_window(const Context& context, const Connection& c) { return context.settings.initial_window * c.mss; }

}  // namespace flatproxy::tcp
