#pragma once

#include "tcp/context.h"

namespace flatproxy::tcp {

/// Sets the retransmission timer for what is in flight, or for a window that is shut; stops it when there is neither.
/// @param sent new data have just been sent
void set_retransmission(Context& context, Connection& c, bool sent);

/// When the connection is to be looked at next; kNever: not before something comes.
Nanoseconds next_timer(const Context& context, const Connection& c);

/// Does what is due at context.now.
void fire_timers(Context& context, Connection& c);

/// The other side has shown that it is there and goes on: it has the whole user timeout again.
void note_life(Context& context, Connection& c);

/// Begins to watch a connection that has just opened.
void watch_idleness(Context& context, Connection& c);

}  // namespace flatproxy::tcp
