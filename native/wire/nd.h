#pragma once

#include <optional>

#include "wire/address.h"
#include "wire/bytes.h"

namespace flatproxy::wire {

/// A neighbour solicitation or advertisement (RFC 4861 sections 4.3 and 4.4), its ICMPv6 header included.
struct NeighborDiscovery {
  static constexpr uint32_t kSize = 24;       ///< without options
  static constexpr uint32_t kOptionSize = 8;  ///< the link-layer address option

  uint8_t type = 0;  ///< icmp6::kNeighborSolicitation or kNeighborAdvertisement
  bool router = false;
  bool solicited = false;
  bool override_known = false;
  Address target;
  /// The source's in a solicitation, the target's in an advertisement.
  std::optional<Mac> link_layer;

  /// Checks type, code 0, length, and that every option has a length (section 7.1). Other options are skipped.
  static std::optional<NeighborDiscovery> parse(Bytes bytes);
  uint32_t size() const { return kSize + (link_layer ? kOptionSize : 0); }
  /// Writes size() bytes with a checksum of 0; `out` holds at least that many.
  void emit(MutableBytes out) const;
  bool operator==(const NeighborDiscovery&) const = default;
};

/// Where a solicitation for an address is sent (RFC 4291 section 2.7.1), and the MAC of a multicast group (RFC 2464).
Address solicited_node(const Address& target);
Mac multicast_mac(const Address& group);

}  // namespace flatproxy::wire
