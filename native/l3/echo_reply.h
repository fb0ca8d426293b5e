#pragma once

#include "packet/segment.h"

namespace flatproxy {

/// Whether a parsed frame is an ICMP or ICMPv6 echo request that may be answered: to one address, not a fragment.
bool is_echo_request(const Segment* frame);

/// Makes an echo request the reply to itself (RFC 792, RFC 4443 section 4.2): addresses and MACs swapped, a fresh hop
/// limit, checksums updated, the data untouched. is_echo_request() holds.
void make_echo_reply(Segment* frame);

}  // namespace flatproxy
