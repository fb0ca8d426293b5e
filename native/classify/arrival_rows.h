#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "classify/bit_rows.h"
#include "classify/policy.h"

namespace flatproxy {

/// For the port that a flow comes by, which of some policies fit it. Built once, immutable.
class ArrivalRows {
 public:
  /// @param places by bit: the policies, by their places in the set
  ArrivalRows(const PolicySet& set, const std::vector<uint32_t>& places);

  /// Whether every policy fits every port: there are no rows then, and nobody needs to look.
  bool empty() const { return bytes() == 0; }
  size_t bytes() const { return rows_.bytes(); }
  BitRows::View of(const PolicyKey& key) const {
    if (!is_host_side(key.arrival)) return rows_.at(by_port_[key.arrival]);
    return rows_.at(key.arrival == kNoPort ? unknown_ : nodes_stack_);
  }

 private:
  BitRows rows_;
  std::array<uint32_t, kMaxPorts> by_port_{};
  uint32_t nodes_stack_ = 0;
  uint32_t unknown_ = 0;  // policies that deny fit it, those that allow do not
};

}  // namespace flatproxy
