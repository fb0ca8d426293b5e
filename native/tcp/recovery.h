#pragma once

#include <cstdint>

#include "tcp/context.h"

namespace flatproxy::tcp {

/// Bytes thought to be on the way (RFC 6675 section 4; without SACK each duplicate acknowledgment stands for a
/// segment).
uint32_t pipe_of(const Connection& c);
/// Bytes that the congestion window lets out now.
uint32_t congestion_room(const Connection& c);

/// How long after a later one's arrival an earlier segment may still come (RFC 8985 section 6.2, step 4).
Nanoseconds reordering_window(const Connection& c);

/// Looks for losses after an acknowledgment or when the timer for reordering has fired; begins recovery when there are
/// any, and sets the timer for what is in doubt. True: something was found lost.
bool look_for_losses(Context& context, Connection& c);

/// The timer for reordering has fired: look_for_losses(), and the first repetition may go.
void doubt_again(Context& context, Connection& c);

/// An acknowledgment has been taken: ends recovery that is complete, and sets the congestion window.
struct Progress {
  uint32_t delivered = 0;      ///< bytes that it says have arrived
  uint32_t acked = 0;          ///< bytes by which it has moved SND.UNA
  bool lost = false;           ///< it has shown that something was lost
  Nanoseconds round_trip = 0;  ///< of what was delivered, 0: unknown
};
void steer_window(Context& context, Connection& c, const Progress& progress);

/// Congestion without a loss to mend: an ECN mark (RFC 3168 section 6.1.2), or a loss that a probe has mended.
void reduce_window(Context& context, Connection& c);

/// The retransmission timer has fired (RFC 6298 section 5, RFC 5681 section 3.1).
void begin_loss(Context& context, Connection& c);

/// The window of a connection that begins (RFC 6928).
uint32_t initial_window(const Context& context, const Connection& c);

}  // namespace flatproxy::tcp
