#include "lane/owner_directory.h"

#include <algorithm>

namespace flatproxy {

OwnerDirectory::OwnerDirectory(uint64_t flows)
    : buckets_count_(std::max<uint64_t>(flows * 2 / kWays, 16)), buckets_(buckets_count_) {}

OwnerDirectory::Bucket& OwnerDirectory::bucket(uint64_t hash, unsigned choice) {
  const uint64_t mixed = choice == 0 ? hash : (hash ^ hash >> 31) * 0x9e3779b97f4a7c15u;
  __extension__ using Wide = unsigned __int128;
  return buckets_[static_cast<size_t>((static_cast<Wide>(mixed) * buckets_count_) >> 64)];
}

bool OwnerDirectory::insert(uint64_t hash, unsigned lane) {
  const uint64_t fresh = entry(hash, lane);
  for (unsigned choice = 0; choice < 2; ++choice) {
    for (std::atomic<uint64_t>& slot : bucket(hash, choice).entries) {
      uint64_t empty = 0;
      // Release: whoever finds the entry also sees the flow's packets come after it.
      if (slot.compare_exchange_strong(empty, fresh, std::memory_order_release, std::memory_order_relaxed)) return true;
    }
  }
  return false;
}

void OwnerDirectory::remove(uint64_t hash, unsigned lane) {
  for (unsigned choice = 0; choice < 2; ++choice) {
    for (std::atomic<uint64_t>& slot : bucket(hash, choice).entries) {
      uint64_t mine = entry(hash, lane);
      if (slot.compare_exchange_strong(mine, 0, std::memory_order_release, std::memory_order_relaxed)) return;
    }
  }
}

unsigned OwnerDirectory::find(uint64_t hash) const {
  for (unsigned choice = 0; choice < 2; ++choice) {
    for (const std::atomic<uint64_t>& slot : bucket(hash, choice).entries) {
      const uint64_t found = slot.load(std::memory_order_acquire);
      if (found >> 8 == (hash & ~uint64_t{0} >> 8) && found != 0) return static_cast<unsigned>(found & 0xff) - 1;
    }
  }
  return kNone;
}

}  // namespace flatproxy
