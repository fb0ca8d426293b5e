#pragma once

#include <atomic>
#include <cstdint>

#include "conntrack/region.h"

namespace flatproxy {

/// Which lane has the flow of a reply tuple. After DNAT the reply's hash leads to another lane than the flow's own;
/// the owner writes an entry before the first packet leaves, and whoever receives the reply looks here.
/// Bounded and lock-free: every lane inserts and removes its own entries and reads all. An entry is a fingerprint of
/// the keyed hash: of four million flows a false match is expected once in a million table fillings, and would then
/// lead a packet to a lane that does not know it, which treats it as it would any unknown packet.
class OwnerDirectory {
 public:
  static constexpr unsigned kMaxLanes = 64;
  static constexpr unsigned kNone = ~0u;

  /// @param flows translated flows of all lanes together, at most
  explicit OwnerDirectory(uint64_t flows);

  /// False: no room near the hash. The caller refuses the flow (owner_directory_full).
  bool insert(uint64_t hash, unsigned lane);
  void remove(uint64_t hash, unsigned lane);
  unsigned find(uint64_t hash) const;

 private:
  static constexpr unsigned kWays = 8;  // a cache line
  struct alignas(64) Bucket {
    std::atomic<uint64_t> entries[kWays];  // fingerprint << 8 | lane + 1; 0: empty
  };
  static uint64_t entry(uint64_t hash, unsigned lane) { return hash << 8 | (lane + 1); }
  Bucket& bucket(uint64_t hash, unsigned choice);
  const Bucket& bucket(uint64_t hash, unsigned choice) const {
    return const_cast<OwnerDirectory*>(this)->bucket(hash, choice);
  }

  uint64_t buckets_count_;
  Region<Bucket> buckets_;
};

}  // namespace flatproxy
