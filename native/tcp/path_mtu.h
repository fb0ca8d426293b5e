#pragma once

#include "tcp/context.h"

namespace flatproxy::tcp {

/// Sets the payload of a segment from the path's MTU, the other side's MSS and the options of every segment (RFC 9293
/// section 3.7.1).
void set_mss(Connection& c);

/// A router has said that a packet with this sequence number was too big (RFC 8201, RFC 1191). Believed when it can be
/// true: the segment is in flight (RFC 5927), and the MTU is smaller than ours.
void packet_was_too_big(Context& context, Connection& c, Sequence sequence, uint32_t mtu);

/// After timeouts in a row: perhaps full packets vanish and no router says so (RFC 8899 section 4.3, RFC 4821).
void suspect_black_hole(Context& context, Connection& c);

}  // namespace flatproxy::tcp
