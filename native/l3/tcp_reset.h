#pragma once

#include "packet/buffers.h"
#include "packet/segment.h"

namespace flatproxy {

/// The reset that answers a parsed TCP segment to a port where nobody listens (RFC 9293 section 3.10.7.1), back to its
/// sender as from where it was sent to. nullptr: not TCP, a later fragment, itself a reset, to a group or to everybody,
/// or the pool is empty.
Segment* make_reset(Buffers& buffers, const Segment* offending);

}  // namespace flatproxy
