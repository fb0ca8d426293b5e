#pragma once

#include "tcp/arrival.h"
#include "tcp/context.h"
#include "tcp/secrets.h"
#include "tcp/syn_cookie.h"

namespace flatproxy::tcp {

/// Begins to open a connection whose tuple is set (RFC 9293 section 3.10.1, active): sends the SYN.
/// @param beyond the new connection's sequence numbers are to begin beyond it; nullptr: anywhere
void open_active(Context& context, Connection& c, const Secrets& secrets, const Sequence* beyond = nullptr);

/// A SYN has come to a listener (section 3.10.7.2, third): sends the SYN and ACK.
void open_passive(Context& context, Connection& c, const Arrival& syn, const Secrets& secrets,
                  const Sequence* beyond = nullptr);

/// Section 3.10.7.3.
void arrives_in_syn_sent(Context& context, Connection& c, Arrival& arrival);

/// The handshake is complete: the connection begins with this segment's window.
void establish(Context& context, Connection& c, const Arrival& arrival);

/// Answers a SYN without keeping anything of it (RFC 4987 section 3.6). `c` has its tuple only.
void answer_with_cookie(Context& context, Connection& c, const Arrival& syn, const Secrets& secrets);
/// The connection that an acknowledgment with a valid cookie completes; the segment is still to arrive at it.
void open_by_cookie(Context& context, Connection& c, const Arrival& ack, const CookieOptions& options,
                    const Secrets& secrets);

/// What the two SYNs have agreed upon, seen from our side.
void negotiate(const Context& context, Connection& c, const Arrival& syn);

}  // namespace flatproxy::tcp
