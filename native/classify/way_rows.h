#pragma once

#include <utility>
#include <vector>

#include "classify/arrival_rows.h"
#include "classify/bit_rows.h"
#include "classify/policy.h"
#include "classify/vlan_rows.h"

namespace flatproxy {

/// For the way that a flow comes, by which port and in which VLAN, which of some policies fit it.
class WayRows {
 public:
  /// @param places by bit: the policies, by their places in the set
  WayRows(const PolicySet& set, const std::vector<uint32_t>& places) : arrivals_(set, places), vlans_(set, places) {}

  /// Whether every policy fits every way: then nobody needs to look.
  bool empty() const { return arrivals_.empty() && vlans_.empty(); }
  size_t bytes() const { return arrivals_.bytes() + vlans_.bytes(); }
  /// As BitRows::each(), of bits that the key's way has in its rows as well.
  template <typename Visit, typename... Views>
  void each(const PolicyKey& key, Visit&& visit, Views... rows) const {
    if (empty()) {
      BitRows::each(visit, rows...);
    } else if (vlans_.empty()) {
      BitRows::each(visit, rows..., arrivals_.of(key));
    } else if (arrivals_.empty()) {
      BitRows::each(visit, rows..., vlans_.of(key));
    } else {
      BitRows::each(visit, rows..., arrivals_.of(key), vlans_.of(key));
    }
  }
  /// The first of them, or BitRows::kNone.
  template <typename... Views>
  uint32_t first(const PolicyKey& key, Views... rows) const {
    uint32_t found = BitRows::kNone;
    const auto take = [&found](uint32_t bit) {
      found = bit;
      return false;
    };
    each(key, take, rows...);
    return found;
  }

 private:
  ArrivalRows arrivals_;
  VlanRows vlans_;
};

}  // namespace flatproxy
