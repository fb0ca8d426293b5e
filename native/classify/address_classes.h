#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "classify/policy.h"
#include "l3/route_hash.h"
#include "l3/route_trie.h"

namespace flatproxy {

/// Puts every address into a class: addresses in one class are in the same selectors. A thousand workloads with the
/// same labels are one class, so what is said of classes never grows with the product of two lists of addresses.
/// Built once, immutable.
class AddressClasses {
 public:
  /// The class of addresses that are in no selector.
  static constexpr uint32_t kNone = 0;

  explicit AddressClasses(const std::vector<Selector>& selectors = {});

  uint32_t class_of(const wire::Address& address) const {
    const uint32_t found = address.is_v4() ? v4_.lookup(address.v4_bytes()) : v6_.lookup(address);
    return found == 0 ? kNone : found - 1;
  }
  size_t size() const { return selectors_.size(); }
  /// The selectors that a class is in, ascending.
  const std::vector<uint32_t>& selectors_of(uint32_t c) const { return selectors_[c]; }

 private:
  void enter(std::vector<std::pair<wire::Prefix, uint32_t>> cells, bool v4);

  std::vector<std::vector<uint32_t>> selectors_;  // by class
  RouteTrie v4_;                                  // values: the class, plus 1
  RouteHash v6_;
};

}  // namespace flatproxy
