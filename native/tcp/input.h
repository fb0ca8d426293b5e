#pragma once

#include "tcp/arrival.h"
#include "tcp/context.h"

namespace flatproxy::tcp {

/// A segment arrives at a connection (RFC 9293 section 3.10.7.3 and 3.10.7.4, with RFC 5961 and RFC 7323).
void segment_arrives(Context& context, Connection& c, Arrival& arrival);

}  // namespace flatproxy::tcp
