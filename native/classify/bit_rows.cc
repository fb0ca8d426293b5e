#include "classify/bit_rows.h"

#include <algorithm>

#include "packet/flow_hash.h"

namespace flatproxy {
namespace {

uint64_t hash_of(const BitRows::Row& row) {
  uint64_t hash = kBalanceKey.words[0];
  for (const uint64_t word : row) hash = fold_multiply(hash ^ word, kBalanceKey.words[1]);
  return hash;
}

}  // namespace

uint32_t BitRows::add(const Row& row) {
  Row packed(summary_);
  for (uint32_t i = 0; i < words_; ++i) {
    if (row[i] == 0) continue;
    set(packed, i);
    packed.push_back(row[i]);
  }
  const uint64_t hash = hash_of(packed);
  const auto [from, to] = known_.equal_range(hash);
  for (auto at = from; at != to; ++at) {
    // As long as its summary says, if that is the same.
    const size_t room = cells_.size() - at->second;
    if (room >= packed.size() && std::equal(packed.begin(), packed.end(), cells_.data() + at->second))
      return at->second;
  }
  const auto place = static_cast<uint32_t>(cells_.size());
  cells_.insert(cells_.end(), packed.begin(), packed.end());
  known_.emplace(hash, place);
  return place;
}

void BitRows::seal() {
  known_.clear();
  cells_.shrink_to_fit();
}

}  // namespace flatproxy
