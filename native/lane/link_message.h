#pragma once

#include "config/snapshot.h"
#include "l3/neighbor_message.h"
#include "packet/segment.h"

namespace flatproxy {

/// Whether a parsed frame is ARP or neighbour discovery.
bool is_link_message(const Segment* frame);

/// Makes such a frame the answer to itself, if we answer for whom it asks at the port that it came by; see
/// answer_arp() and answer_neighbor_discovery().
NeighborOutcome answer_link_message(const Snapshot& snapshot, Segment* frame);

}  // namespace flatproxy
