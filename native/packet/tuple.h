#pragma once

#include <cstdint>

#include "wire/address.h"

namespace flatproxy {

/// What of a flow's zone says that it passes between joined ports; its VLAN id is added.
constexpr uint16_t kLinkZone = 1 << 15;
/// VLAN id of a zone's flows; 0: they are untagged, or routed.
constexpr uint16_t vlan_of(uint16_t zone) { return static_cast<uint16_t>(zone & ~kLinkZone); }

/// One direction of a flow. Ports are in host order; for ICMP echo both are the identifier.
struct Tuple {
  wire::Address source;
  wire::Address destination;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint8_t protocol = 0;
  uint8_t family = 0;  ///< 4 or 6
  /// Flows of different zones have nothing in common, whatever their addresses. 0: what is routed; of what passes
  /// between joined ports: kLinkZone and its VLAN id.
  uint16_t zone = 0;

  Tuple reversed() const { return {destination, source, destination_port, source_port, protocol, family, zone}; }
  uint16_t vlan() const { return vlan_of(zone); }
  bool operator==(const Tuple&) const = default;
};

/// An IPv4 packet's tuple in two words and a byte, as a lane looks it up.
struct TupleV4 {
  uint64_t addresses;  ///< source, then destination, as they lie in the header
  uint32_t ports;      ///< source << 16 | destination, host order
  uint8_t protocol;

  uint32_t source() const { return static_cast<uint32_t>(addresses); }  ///< network order
  uint32_t destination() const { return static_cast<uint32_t>(addresses >> 32); }
};

}  // namespace flatproxy
