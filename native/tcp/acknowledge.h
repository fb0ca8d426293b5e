#pragma once

#include "tcp/arrival.h"
#include "tcp/context.h"

namespace flatproxy::tcp {

/// Takes the acknowledgment, the window and the selective acknowledgments of an acceptable segment whose acknowledgment
/// number lies between SND.UNA - MAX.SND.WND and SND.NXT (RFC 9293 section 3.10.7.4, fifth).
void take_acknowledgment(Context& context, Connection& c, const Arrival& arrival);

/// A round trip that a timestamp shows (RFC 7323 section 4.1), microseconds; 0: none.
uint32_t echoed_round_trip(const Context& context, const Connection& c, const Arrival& arrival);

}  // namespace flatproxy::tcp
