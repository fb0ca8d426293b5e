#pragma once

#include "packet/segment.h"
#include "wire/ipv6.h"

namespace flatproxy::wire {

/// walk_extensions() for the IPv6 packet at l3_offset of a frame, which ends at `end` (both offsets from the frame's
/// first byte; the IPv6 header is contiguous). Makes as much contiguous as it needs; `truncated` also when the head has
/// no room for that.
Extensions extensions_of(Segment* head, uint32_t l3_offset, uint32_t end);

}  // namespace flatproxy::wire
