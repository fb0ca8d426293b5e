#pragma once

#include <cstdint>
#include <vector>

#include "l3/prefix_map.h"
#include "wire/address.h"

namespace flatproxy {

/// One L3 route. `via` unspecified (all zero bytes): the destination itself is the neighbour.
struct Route {
  wire::Prefix to;
  uint16_t port = 0;
  bool has_via = false;
  wire::Address via;
};

/// Longest-prefix match over IPv4 and IPv6. Built once, immutable.
class RouteTable {
 public:
  RouteTable() = default;
  /// Of two routes to the same prefix the first one counts. Bits of an address behind its prefix's length do not.
  explicit RouteTable(std::vector<Route> routes);
  /// The route with the longest prefix that contains the destination; nullptr: none.
  const Route* lookup(const wire::Address& destination) const {
    const uint32_t place = places_.lookup(destination);
    return place == PrefixMap::kNone ? nullptr : &routes_[place];
  }
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
  PrefixMap places_;  // indices of routes
};

}  // namespace flatproxy
