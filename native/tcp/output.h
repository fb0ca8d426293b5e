#pragma once

#include "tcp/context.h"

namespace flatproxy::tcp {

/// Sends what a connection may send now: lost segments, new data, its FIN, or an acknowledgment that is due.
void send_pending(Context& context, Connection& c);

/// RFC 8985 section 7.3: new data if there are any and the window allows, else the last segment once more.
void send_tail_probe(Context& context, Connection& c);

/// Sends what waits although the windows are open: what is too small to be worth a segment waits no longer than a
/// retransmission timeout (RFC 9293 section 3.8.6.2.1).
void send_held(Context& context, Connection& c);

/// Asks for the window, or whether the other side is there: a segment before SND.UNA, which it must answer (RFC 9293
/// sections 3.8.4 and 3.8.6.1).
void send_probe(Context& context, Connection& c);

}  // namespace flatproxy::tcp
