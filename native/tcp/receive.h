#pragma once

#include <cstdint>

#include "tcp/arrival.h"
#include "tcp/context.h"

namespace flatproxy::tcp {

/// The receive window as a segment sent now is to say it, scaled; from then on it is offered (RFC 9293 section
/// 3.8.6.2.2: its right edge moves in worthwhile steps and never back).
uint16_t offer_window(Context& context, Connection& c);

/// Everything received is acknowledged by a segment that is being sent.
void acknowledged(Connection& c);

/// Takes the payload of an acceptable segment: in order to `received`, else ahead of a gap.
void take_data(Context& context, Connection& c, Arrival& arrival);

/// The owner has taken bytes out of `received`: tunes the window, and says so when it has opened worthwhile.
void taken(Context& context, Connection& c);

/// Sends the acknowledgment that is due, if one is, or sets the clock for it; `context.now` is after all arrivals.
void acknowledge_if_due(Context& context, Connection& c);

/// An acknowledgment at the next flush.
inline void acknowledge_soon(Context& context, Connection& c) {
  c.set(kAckNow);
  context.touch(c);
}

}  // namespace flatproxy::tcp
