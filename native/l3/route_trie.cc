#include "l3/route_trie.h"

#include <algorithm>

namespace flatproxy {

void RouteTrie::insert(const uint8_t* address, unsigned length, uint32_t value) {
  constexpr uint32_t kRootCells = 65536;
  if (length == 0) {
    default_ = value;
    return;
  }
  if (cells_.empty()) cells_.assign(kRootCells, default_);
  const uint32_t root = wire::load16(address);
  if (length <= 16) return fill(root, 1u << (16 - length), value);
  const uint32_t middle = child_of(root) + address[2];
  if (length <= 24) return fill(middle, 1u << (24 - length), value);
  const uint32_t leaf = child_of(middle) + address[3];
  fill(leaf, 1u << (32 - length), value);
}

uint32_t RouteTrie::child_of(uint32_t cell) {
  const uint32_t content = cells_[cell];
  if ((content & kChild) != 0) return content & ~kChild;
  const auto child = static_cast<uint32_t>(cells_.size());
  cells_.insert(cells_.end(), 256, content);
  cells_[cell] = kChild | child;
  return child;
}

// Shorter prefixes came before, so that no cell here leads to a child yet.
void RouteTrie::fill(uint32_t first, uint32_t count, uint32_t value) {
  std::fill_n(cells_.begin() + first, count, value);
}

}  // namespace flatproxy
