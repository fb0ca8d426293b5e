#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "l3/route_hash.h"
#include "l3/route_trie.h"
#include "wire/address.h"

namespace flatproxy {

/// Longest-prefix match over IPv4 and IPv6, from prefixes to numbers. Built once, immutable.
class PrefixMap {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};
  /// A prefix, whose bits behind its length do not count, and its number: 0 to 2^31 - 2.
  using Entry = std::pair<wire::Prefix, uint32_t>;

  PrefixMap() = default;
  /// Of equal prefixes the first one counts.
  explicit PrefixMap(std::vector<Entry> entries);

  /// The number of the longest prefix that contains the address; kNone: none does.
  uint32_t lookup(const wire::Address& address) const {
    return (address.is_v4() ? v4_.lookup(address.v4_bytes()) : v6_.lookup(address)) - 1;
  }

 private:
  RouteTrie v4_;  // the number, plus 1
  RouteHash v6_;
};

}  // namespace flatproxy
