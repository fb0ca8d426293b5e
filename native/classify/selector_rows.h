#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "classify/bit_rows.h"

namespace flatproxy {

/// Which policies name a selector, while their rows are made.
class SelectorRows {
 public:
  explicit SelectorRows(size_t selectors) : named_(selectors) {}
  void name(const std::vector<uint32_t>& selectors, uint32_t bit) {
    for (const uint32_t selector : selectors) named_[selector].push_back(bit);
  }
  /// Those of the row, and those that name any of the selectors.
  BitRows::Row unite(const std::vector<uint32_t>& selectors, BitRows::Row row) const {
    for (const uint32_t selector : selectors) {
      for (const uint32_t bit : named_[selector]) BitRows::set(row, bit);
    }
    return row;
  }

 private:
  std::vector<std::vector<uint32_t>> named_;
};

}  // namespace flatproxy
