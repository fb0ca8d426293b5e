#pragma once

#include "packet/reason.h"
#include "packet/segment.h"
#include "packet/tuple.h"

namespace flatproxy::wire {

/// Where the packet that an ICMP error embeds lies in the frame; offsets from the frame's first byte.
struct EmbeddedView {
  uint16_t l3_offset = 0;
  uint16_t l4_offset = 0;
  uint16_t checksum_offset = 0;  ///< of the L4 checksum field, when has_l4_checksum
  uint8_t protocol = 0;
  bool has_l4_checksum = false;  ///< the quotation reaches to the end of the L4 checksum field (TCP, UDP, ICMP echo)
};

/// Whether a parsed frame is an ICMP or ICMPv6 error, not a fragment.
bool is_icmp_error(const Segment* head);

/// Reads the packet embedded in a parsed ICMP or ICMPv6 error: options, extension headers, at least 8 bytes of L4, and
/// the tuple as it stood in the packet that caused the error (ICMP echo: the identifier twice). Verifies the error's
/// own checksum, unless flags has kChecksumValid. What the view names is contiguous in the head then. False: `why`
/// tells. Refused as icmp_malformed: no IP packet of the same family, an error about an error or about a later
/// fragment. As icmp_unrelated: protocols without ports.
bool embedded_tuple(Segment* head, Tuple& tuple, EmbeddedView& view, Reason& why);

}  // namespace flatproxy::wire
