#include "conntrack/flow_index.h"

#include <algorithm>

namespace flatproxy {

FlowIndex::FlowIndex(uint32_t capacity)
    : buckets_count_(std::max(capacity / static_cast<uint32_t>(sizeof(Bucket) / kIndexBytesPerFlow), 4u)), buckets_(buckets_count_) {}

bool FlowIndex::insert(uint64_t hash, FlowId id) {
  const uint32_t entry = tag(hash) << 22 | id;
  Bucket& one = buckets_[first(hash)];
  if (const uint32_t empty = matches(one, 0); empty != 0) {
    one.entries[__builtin_ctz(empty)] = entry;
    return true;
  }
  Bucket& two = buckets_[second(hash)];
  const uint32_t empty = matches(two, 0);
  if (empty == 0) return false;
  two.entries[__builtin_ctz(empty)] = entry;
  ++one.displaced;
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
