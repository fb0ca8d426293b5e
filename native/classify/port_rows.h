#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "classify/bit_rows.h"
#include "classify/policy.h"

namespace flatproxy {

/// For each protocol and port, which of some policies fit it. Built once, immutable.
class PortRows {
 public:
  /// @param places by bit: the policies, by their places in the set
  /// @param check called with the bytes that the rows take while they become more; it may throw
  PortRows(const PolicySet& set, const std::vector<uint32_t>& places, const std::function<void(size_t bytes)>& check);

  const BitRows& rows() const { return rows_; }
  uint32_t at(uint8_t protocol, uint16_t port) const {
    const PortTable* table = by_port_[protocol].get();
    return table == nullptr ? any_port_[protocol] : (*table)[port];
  }

 private:
  using PortTable = std::array<uint32_t, 65536>;
  struct Span;

  void index_protocol(uint8_t protocol, const std::vector<Span>& spans, const BitRows::Row& always,
                      const std::function<void(size_t bytes)>& check);

  BitRows rows_;
  std::array<uint32_t, 256> any_port_{};  // by protocol: the row of all its ports, where they are the same
  std::array<std::unique_ptr<PortTable>, 256> by_port_;
};

}  // namespace flatproxy
