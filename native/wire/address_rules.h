#pragma once

#include <cstdint>

#include "wire/address.h"
#include "wire/protocol.h"

namespace flatproxy::wire {

/// RFC 1122 section 3.2.1.3, RFC 4291 section 2.5; IPv4 inside IPv6 addresses never comes on a wire.
inline bool no_host(const Address& a) { return a.multicast() || a.loopback(); }

/// Whether an IPv4 packet may come from the address. @param l4_ports source << 16 | destination
inline bool v4_source_valid(const Address& source, uint8_t protocol, uint32_t l4_ports) {
  if (no_host(source) || source.v4() == 0xffffffffu) return false;
  if (!source.unspecified() || protocol == protocol::kIgmp) return true;
  constexpr uint32_t kDhcpPorts = 68u << 16 | 67u;  // RFC 2131 section 4.1
  return protocol == protocol::kUdp && l4_ports == kDhcpPorts;
}

/// The same for IPv6. @param nameless whether it is of a kind that comes from who has no address yet
inline bool v6_source_valid(const Address& source, bool nameless) {
  if (no_host(source) || source.is_v4()) return false;
  return nameless || !source.unspecified();
}

inline bool v4_destination_valid(const Address& a) { return !a.loopback() && !a.unspecified(); }
inline bool v6_destination_valid(const Address& a) { return !a.loopback() && !a.unspecified() && !a.is_v4(); }

/// Whether the address is more than one host's, or no host's at all (240.0.0.0/4).
inline bool means_many(const Address& a) { return a.is_v4() ? *a.v4_bytes() >= 224 : a.multicast(); }

}  // namespace flatproxy::wire
