#pragma once

#include "l3/address_predicate.h"
#include "l3/neighbor_message.h"
#include "packet/buffers.h"
#include "packet/segment.h"

namespace flatproxy {

/// Handles a parsed ARP frame (RFC 826, RFC 5227): a request for an address that we answer for becomes its reply in
/// place, probes from 0.0.0.0 included. The sender is news, unless it claims an address of ours; an announcement
/// (sender and target the same) is an update of what is known, never a new entry.
/// @param ours the port's MAC  @param answers whether we answer for an address on this port
NeighborOutcome answer_arp(Segment* frame, const wire::Mac& ours, AddressPredicate answers);

/// A request for `target`: to everyone, or to `known` alone, which confirms it (RFC 1122 section 2.3.2.1).
/// nullptr: the pool is empty.
Segment* make_arp_request(Buffers& buffers, const Solicitor& from, const wire::Address& target,
                          const wire::Mac& known = wire::kBroadcastMac);

}  // namespace flatproxy
