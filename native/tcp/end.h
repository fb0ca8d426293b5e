#pragma once

#include "tcp/context.h"

namespace flatproxy::tcp {

/// A connection is no more: lets go of all it holds and tells its owner. Its stack takes it out of the table at the
/// next flush.
void finish(Context& context, Connection& c, End why);

/// Both FINs are through, and ours was first (RFC 9293 section 3.6.1).
void enter_time_wait(Context& context, Connection& c);

}  // namespace flatproxy::tcp
