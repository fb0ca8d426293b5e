#pragma once

#include "l3/address_predicate.h"
#include "l3/neighbor_message.h"
#include "packet/buffers.h"
#include "packet/segment.h"

namespace flatproxy {

/// Whether a parsed frame is one of neighbour discovery's messages: router and neighbour solicitations and
/// advertisements, redirects. They are the link's own and never go on.
bool is_neighbor_discovery(const Segment* frame);

/// Handles such a frame (RFC 4861): a solicitation for an address that we answer for becomes its advertisement in
/// place, duplicate address detection included. Router messages and redirects are not_for_us: routes come from the
/// snapshot. Checked as in section 7.1 (hop limit 255, checksum, code, lengths, addresses) and RFC 6980 (no fragments).
/// @param ours the port's MAC  @param answers whether we answer for an address on this port
NeighborOutcome answer_neighbor_discovery(Segment* frame, const wire::Mac& ours, AddressPredicate answers);

/// A solicitation for `target`: to its solicited-node group, or to `known` alone, which confirms it.
/// nullptr: the pool is empty.
Segment* make_neighbor_solicitation(Buffers& buffers, const Solicitor& from, const wire::Address& target,
                                    const wire::Mac& known = wire::kBroadcastMac);

}  // namespace flatproxy
