#pragma once

#include <cstdint>
#include <vector>

#include "classify/policy.h"
#include "l3/prefix_map.h"

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
    const uint32_t found = by_prefix_.lookup(address);
    return found == PrefixMap::kNone ? kNone : found;
  }
  size_t size() const { return selectors_.size(); }
  /// The selectors that a class is in, ascending.
  const std::vector<uint32_t>& selectors_of(uint32_t c) const { return selectors_[c]; }

 private:
  std::vector<std::vector<uint32_t>> selectors_;  // by class
  PrefixMap by_prefix_;                           // classes
};

}  // namespace flatproxy
