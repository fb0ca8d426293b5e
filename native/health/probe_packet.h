#pragma once

#include <cstdint>

#include "packet/buffers.h"
#include "packet/segment.h"
#include "packet/tuple.h"

namespace flatproxy {

/// A TCP segment that the health prober wants sent: a SYN, or the reset of what answered one.
struct ProbePacket {
  Tuple tuple;
  uint32_t sequence = 0;
  uint8_t flags = 0;  ///< wire::TcpFlag
};

/// Its frame, parsed, with empty MACs: which port and neighbour it leaves by is the gateway's to say.
/// nullptr: the pool is empty.
Segment* make_probe_frame(Buffers& buffers, const ProbePacket& packet);

}  // namespace flatproxy
