#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "classify/bit_rows.h"
#include "classify/bit_spans.h"
#include "classify/policy.h"

namespace flatproxy {

/// For what a flow goes to, which of some policies fit it: its protocol and port, or its queue pair. Built once,
/// immutable.
class PortRows {
 public:
  using Check = std::function<void(size_t bytes)>;

  /// @param places by bit: the policies, by their places in the set
  /// @param check called with the bytes that the rows take while they become more; it may throw
  PortRows(const PolicySet& set, const std::vector<uint32_t>& places, const Check& check);

  size_t bytes() const { return rows_.bytes(); }
  BitRows::View of(const PolicyKey& key) const {
    if (key.roce) [[unlikely]]
      return rows_.at(of_roce(*key.roce));
    const PortTable* table = by_port_[key.protocol].get();
    return rows_.at(table == nullptr ? any_port_[key.protocol] : (*table)[key.port]);
  }

 private:
  using PortTable = std::array<uint32_t, 65536>;
  /// Queue pairs from `first` on, up to the next one's.
  struct QueuePairs {
    uint32_t first;
    uint32_t row;
  };

  uint32_t of_roce(const RoceTarget& target) const;
  void index_protocol(uint8_t protocol, BitSpans& spans, const BitRows::Row& always, const Check& check);
  void index_roce(const PolicySet& set, const std::vector<uint32_t>& places, const Check& check);

  BitRows rows_;
  std::array<uint32_t, 256> any_port_{};  // by protocol: the row of all its ports, where they are the same
  std::array<std::unique_ptr<PortTable>, 256> by_port_;
  std::array<std::vector<QueuePairs>, wire::kRoceClasses> by_queue_pair_;  // each begins with 0
};

}  // namespace flatproxy
