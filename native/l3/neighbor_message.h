#pragma once

#include <optional>

#include "l3/neighbor_table.h"
#include "packet/reason.h"
#include "wire/address.h"

namespace flatproxy {

/// What became of an ARP or ND frame.
struct NeighborOutcome {
  /// arp_answered, nd_answered: the frame is the answer now, to be sent by the port that it came from.
  /// Else the frame ends: neighbor_learned, not_for_us, arp_malformed, nd_malformed.
  Reason reason = Reason::not_for_us;
  std::optional<NeighborNews> news;  ///< for NeighborTable::learn(), whatever the reason
};

/// Who asks for a neighbour.
struct Solicitor {
  wire::Mac mac;          ///< the port's
  wire::Address address;  ///< an address of ours on the port, of the target's family
  uint16_t vlan = 0;      ///< 0: untagged
};

}  // namespace flatproxy
