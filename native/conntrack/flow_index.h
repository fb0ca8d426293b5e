#pragma once

#include <cstddef>
#include <cstdint>

#include "conntrack/flow.h"
#include "conntrack/region.h"

namespace flatproxy {

/// Hash -> flow ids, as cache-line buckets of 15 tagged entries. An entry whose first bucket is nearly full goes to a
/// second one if that is emptier, and the first bucket counts how many did, so that a miss mostly costs one line.
/// Memory: 16 bytes for each flow of the capacity, which holds the two entries of a translated flow at half load.
class FlowIndex {
 public:
  static constexpr uint32_t kIndexBytesPerFlow = 16;
  static constexpr uint32_t kMaxFlows = 1u << 22;

  explicit FlowIndex(uint32_t capacity);

  void prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[first(hash)]); }
  /// The id of the first entry in the first bucket whose tag fits, or kNoFlow: what to prefetch next.
  FlowId candidate(uint64_t hash) const {
    const uint32_t found = matches(buckets_[first(hash)], tag(hash));
    return found == 0 ? kNoFlow : id_of(buckets_[first(hash)].entries[__builtin_ctz(found)]);
  }

  /// Calls is_it(id) for entries whose tag fits until one says yes; its id, or kNoFlow.
  template <typename IsIt>
  FlowId find(uint64_t hash, IsIt&& is_it) const {
    const Bucket& one = buckets_[first(hash)];
    const FlowId found = find_in(one, tag(hash), is_it);
    if (found != kNoFlow || one.displaced == 0) [[likely]]
      return found;
    return find_in(buckets_[second(hash)], tag(hash), is_it);
  }
  /// Calls visit(id) for every entry in the two buckets of a hash.
  template <typename Visit>
  void for_each_near(uint64_t hash, Visit&& visit) const {
    for (const Bucket* bucket : {&buckets_[first(hash)], &buckets_[second(hash)]}) {
      for (const uint32_t entry : bucket->entries) {
        if (entry != 0) visit(id_of(entry));
      }
    }
  }
  /// False: both buckets are full; at the whole capacity of translated flows that is rarer than one in a million.
  bool insert(uint64_t hash, FlowId id);
  /// The entry must be there.
  void remove(uint64_t hash, FlowId id);

 private:
  static constexpr uint32_t kEntries = 15;
  static constexpr int kSpare = 3;  // free entries below which the second bucket is considered
  struct alignas(64) Bucket {
    uint32_t entries[kEntries];  // tag << 22 | id; a tag is never 0, so 0 is empty
    uint32_t displaced;          // entries whose first bucket this is and which stand in their second
  };
  static_assert(sizeof(Bucket) == 64);

  static uint32_t tag(uint64_t hash) {
    const uint32_t t = static_cast<uint32_t>(hash) & 0x1ff;
    return t == 0 ? 1 : t;
  }
  static FlowId id_of(uint32_t entry) { return entry & (kMaxFlows - 1); }
  uint32_t first(uint64_t hash) const { return static_cast<uint32_t>(((hash >> 32) * buckets_count_) >> 32); }
  uint32_t second(uint64_t hash) const {
    const uint64_t mixed = (hash >> 9 ^ hash << 23) * 0x9e3779b97f4a7c15u;
    return static_cast<uint32_t>(((mixed >> 32) * buckets_count_) >> 32);
  }
  static uint32_t matches(const Bucket& bucket, uint32_t tag);

  template <typename IsIt>
  FlowId find_in(const Bucket& bucket, uint32_t tag, IsIt&& is_it) const {
    for (uint32_t found = matches(bucket, tag); found != 0; found &= found - 1) {
      const FlowId id = id_of(bucket.entries[__builtin_ctz(found)]);
      if (is_it(id)) return id;
    }
    return kNoFlow;
  }

  uint32_t buckets_count_;
  Region<Bucket> buckets_;
};

#if defined(__SSE2__)
}  // namespace flatproxy
#include <emmintrin.h>
namespace flatproxy {
inline uint32_t FlowIndex::matches(const Bucket& bucket, uint32_t tag) {
  const __m128i want = _mm_set1_epi32(static_cast<int>(tag));
  const auto* lines = reinterpret_cast<const __m128i*>(bucket.entries);
  const __m128i a = _mm_cmpeq_epi32(_mm_srli_epi32(_mm_load_si128(lines), 22), want);
  const __m128i b = _mm_cmpeq_epi32(_mm_srli_epi32(_mm_load_si128(lines + 1), 22), want);
  const __m128i c = _mm_cmpeq_epi32(_mm_srli_epi32(_mm_load_si128(lines + 2), 22), want);
  const __m128i d = _mm_cmpeq_epi32(_mm_srli_epi32(_mm_load_si128(lines + 3), 22), want);
  const __m128i packed = _mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d));
  return static_cast<uint32_t>(_mm_movemask_epi8(packed)) & 0x7fff;
}
#else
inline uint32_t FlowIndex::matches(const Bucket& bucket, uint32_t tag) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < kEntries; ++i) found |= static_cast<uint32_t>(bucket.entries[i] >> 22 == tag) << i;
  return found;
}
#endif

}  // namespace flatproxy
