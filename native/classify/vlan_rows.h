#pragma once

#include <cstdint>
#include <vector>

#include "classify/bit_rows.h"
#include "classify/policy.h"

namespace flatproxy {

/// For the VLAN that a flow comes in, which of some policies fit it. Built once, immutable.
class VlanRows {
 public:
  /// @param places by bit: the policies, by their places in the set
  VlanRows(const PolicySet& set, const std::vector<uint32_t>& places);

  /// Whether every policy fits every VLAN: there are no rows then, and nobody needs to look.
  bool empty() const { return by_vlan_.empty(); }
  size_t bytes() const { return rows_.bytes() + by_vlan_.size() * sizeof(by_vlan_[0]); }
  BitRows::View of(const PolicyKey& key) const { return rows_.at(by_vlan_[key.vlan]); }

 private:
  BitRows rows_;
  std::vector<uint32_t> by_vlan_;
};

}  // namespace flatproxy
