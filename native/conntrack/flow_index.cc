#include "conntrack/flow_index.h"

#include <algorithm>
#include <bit>

namespace flatproxy {

FlowIndex::FlowIndex(uint32_t capacity)
    : buckets_count_(std::max(capacity / static_cast<uint32_t>(sizeof(Bucket) / kIndexBytesPerFlow), 4u)),
      buckets_(buckets_count_) {}

bool FlowIndex::insert(uint64_t hash, FlowId id) {
  const uint32_t entry = tag(hash) << 22 | id;
  Bucket& one = buckets_[first(hash)];
  Bucket& two = buckets_[second(hash)];
  const uint32_t empty_one = matches(one, 0);
  if (std::popcount(empty_one) > kSpare) [[likely]] {
    one.entries[std::countr_zero(empty_one)] = entry;
    return true;
  }
  const uint32_t empty_two = matches(two, 0);
  if (std::popcount(empty_two) > std::popcount(empty_one)) {
    two.entries[std::countr_zero(empty_two)] = entry;
    ++one.displaced;
    return true;
  }
  if (empty_one == 0) return false;
  one.entries[std::countr_zero(empty_one)] = entry;
  return true;
}

void FlowIndex::remove(uint64_t hash, FlowId id) {
  const uint32_t entry = tag(hash) << 22 | id;
  Bucket& one = buckets_[first(hash)];
  for (uint32_t& e : one.entries) {
    if (e == entry) {
      e = 0;
      return;
    }
  }
  Bucket& two = buckets_[second(hash)];
  for (uint32_t& e : two.entries) {
    if (e == entry) {
      e = 0;
      --one.displaced;
      return;
    }
  }
}

}  // namespace flatproxy
