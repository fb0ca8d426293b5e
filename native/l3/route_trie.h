#pragma once

#include <cstdint>
#include <vector>

#include "wire/bytes.h"

namespace flatproxy {

/// Longest-prefix match for IPv4: a trie of 16, 8 and 8 bits. Nothing is allocated before the first prefix longer than
/// 0; then 256 KB, and 1 KB for each /16 and /24 that has longer prefixes within. Values are 0 (none) to 2^31 - 1.
class RouteTrie {
 public:
  /// Prefixes must come in ascending order of length. @param address network order in memory, bits behind `length` zero
  void insert(const uint8_t* address, unsigned length, uint32_t value);

  uint32_t lookup(const uint8_t* address) const {
    if (cells_.empty()) return default_;
    uint32_t cell = cells_[wire::load16(address)];
    if ((cell & kChild) == 0) return cell;
    cell = cells_[(cell & ~kChild) + address[2]];
    if ((cell & kChild) == 0) return cell;
    return cells_[(cell & ~kChild) + address[3]];
  }

 private:
  static constexpr uint32_t kChild = 1u << 31;  // the rest is where the child's 256 cells begin
  uint32_t child_of(uint32_t cell);
  void fill(uint32_t first, uint32_t count, uint32_t value);

  std::vector<uint32_t> cells_;
  uint32_t default_ = 0;
};

}  // namespace flatproxy
