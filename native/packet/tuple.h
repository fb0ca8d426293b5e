#pragma once

#include <cstdint>

#include "wire/address.h"

namespace flatproxy {

/// One direction of a flow. Ports are in host order; for ICMP echo both are the identifier.
struct Tuple {
  wire::Address source;
  wire::Address destination;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint8_t protocol = 0;
  uint8_t family = 0;  ///< 4 or 6

  Tuple reversed() const { return {destination, source, destination_port, source_port, protocol, family}; }
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
