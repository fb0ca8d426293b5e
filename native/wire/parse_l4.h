#pragma once

#include "packet/reason.h"
#include "packet/segment.h"

namespace flatproxy::wire {

/// The L4 part of parse_frame(): the header at l4_offset of a frame that knows family, protocol, l4_length and fragment
/// flags. Sets l4_ports and payload_offset, and makes the header contiguous.
bool parse_l4_header(Segment* head, Reason& why);

}  // namespace flatproxy::wire
