#pragma once

#include <cstdint>

#include "packet/segment.h"
#include "wire/address.h"

namespace flatproxy {

/// Which end of a packet a translation rewrites.
enum class End : uint8_t { source, destination };

/// Rewrites address and port (host order) of one end of a parsed TCP or UDP packet, in the packet's own family, and
/// keeps every checksum true: the IPv4 header's, the L4 one whole or still to be completed, none for UDP without one
/// (RFC 768), none in later fragments.
void translate(Segment* head, End end, const wire::Address& to, uint16_t port);

/// Where the packet that an ICMP error quotes lies in the frame; offsets from the frame's first byte.
struct Quoted {
  uint16_t l3_offset;
  uint16_t l4_offset;
  uint8_t protocol;
  bool has_l4_checksum;  ///< the quotation reaches as far as the L4 checksum field
};

/// Rewrites one end of the packet that an ICMP error quotes, and the error's own checksum. The headers must be
/// contiguous up to what the quotation holds of the L4 header.
void translate_quoted(Segment* head, const Quoted& quoted, End end, const wire::Address& to, uint16_t port);

/// Rewrites one end's address of an ICMP packet (no ports), with the checksums that cover it.
void translate_icmp_address(Segment* head, End end, const wire::Address& to);

}  // namespace flatproxy
