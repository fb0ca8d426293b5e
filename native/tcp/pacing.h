#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/context.h"

namespace flatproxy::tcp {

// A large window is not sent in one burst, which would fill the queues on its way, but spread over the round trip: at
// twice its rate in slow start, which is to double it, and somewhat above it later (as Linux does, and RFC 9002 section
// 7.7 recommends for QUIC). The clock ticks in milliseconds, so what is due within one goes at once.

constexpr uint32_t kPacedSegments = 64;      ///< smaller windows go as they are
constexpr uint32_t kPacedRoundTrip = 4'000;  ///< microseconds: shorter ones are no longer than a few ticks
constexpr uint32_t kPacingTick = 1'000;      ///< microseconds

inline bool is_paced(const Connection& c) {
  return c.congestion.size > kPacedSegments * c.mss && c.round_trip.smoothed() >= kPacedRoundTrip;
}

/// Bytes in a tick.
inline uint32_t paced_bytes(const Connection& c) {
  const uint64_t fifths = c.congestion.in_slow_start() ? 10 : 6;
  return static_cast<uint32_t>(fifths * c.congestion.size * kPacingTick / 5 / c.round_trip.smoothed());
}

/// How long until more may go: what is due within a tick may. Microseconds, 0 or below: now.
inline int32_t pacing_wait(const Context& context, const Connection& c) {
  return static_cast<int32_t>(c.pace_at - kPacingTick - context.now_us()) + 1;
}

/// Whether more may go now; if not the connection waits.
inline bool may_go_on(const Context& context, Connection& c) {
  const bool goes_on = !is_paced(c) || pacing_wait(context, c) <= 0;
  if (goes_on) {
    c.unset(kPaced);
  } else {
    c.set(kPaced);
  }
  return goes_on;
}

/// So many bytes have gone. A connection that comes late by up to a tick has not lost that time.
inline void pay_for(const Context& context, Connection& c, uint32_t bytes) {
  const uint32_t earliest = context.now_us() - kPacingTick;
  if (static_cast<int32_t>(earliest - c.pace_at) > 0) c.pace_at = earliest;
  if (is_paced(c)) c.pace_at += static_cast<uint32_t>(uint64_t{bytes} * kPacingTick / std::max(paced_bytes(c), 1u));
}

}  // namespace flatproxy::tcp
