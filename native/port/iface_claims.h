#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "packet/tuple.h"
#include "port/netlink.h"
#include "port/steer_load.h"

namespace flatproxy {

/// A destination that a `matched` interface's frames are taken for. Protocol 0: everything sent to the address.
struct Claim {
  wire::Address address;
  uint8_t protocol = 0;
  uint16_t port = 0;  ///< host order
  auto operator<=>(const Claim&) const = default;
};

/// What an interface with take: 'matched' takes; all else stays the kernel's. Besides what matches a claim, these come
/// to the wire port: fragments for a claimed address, ICMP errors for it or about a claimed reply's flow, and, of an
/// address that no interface of this network namespace has, ARP, ND and everything else sent to it. ARP and ND answers
/// come as copies: the kernel gets them too.
class IfaceClaims {
 public:
  /// @param netlink of the interface's network namespace
  IfaceClaims(const steer_loaded& maps, Netlink& netlink) : maps_(maps), netlink_(netlink) {}

  /// Control thread. Replaces all claims; those that stay are never absent meanwhile. At most 65,536.
  /// @throws Error ERR_FLATPROXY_RESOURCE
  void set_claims(const std::vector<Claim>& claims);

  /// Any thread; about 1 us. From now on packets with this tuple are taken. To be called before the flow's first packet
  /// leaves through this interface. For ICMP echo both ports are the identifier. False: the table is full.
  bool claim(const Tuple& reply);
  void unclaim(const Tuple& reply);

 private:
  const steer_loaded& maps_;
  Netlink& netlink_;
  std::set<Claim> claims_;
  std::set<wire::Address> addresses_;
};

}  // namespace flatproxy
