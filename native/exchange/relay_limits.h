#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "config/listener.h"
#include "config/service.h"
#include "conntrack/region.h"
#include "packet/flow_hash.h"
#include "wire/address.h"

namespace flatproxy {

/// Addresses come from outside: nobody may choose ones that collide.
struct KeyedAddressHash {
  HashKey key{};
  size_t operator()(const wire::Address& address) const { return address_hash(address, key); }
};

/// How many connections are relayed now, by listener, endpoint and client address, over all lanes: what limits are held
/// against. Everything is counted, also where there is no limit yet.
class RelayLimits {
 public:
  explicit RelayLimits(const HashKey& key) : key_(key) {
    for (Shard& shard : clients_) shard.counts = Counts(0, KeyedAddressHash{key});
  }

  /// @param most with this one; 0: no limit  False: there are so many
  bool take_listener(uint32_t id, uint32_t most) { return take(listeners_[id], most); }
  void give_listener_back(uint32_t id) { give_back(listeners_[id]); }
  bool take_endpoint(uint32_t id, uint32_t most) { return take(endpoints_[id], most); }
  void give_endpoint_back(uint32_t id) { give_back(endpoints_[id]); }

  bool take_client(const wire::Address& address, uint32_t most) {
    Shard& shard = shard_of(address);
    const std::lock_guard lock(shard.mutex);
    uint32_t& count = shard.counts[address];
    if (most != 0 && count >= most) return false;
    ++count;
    return true;
  }
  void give_client_back(const wire::Address& address) {
    Shard& shard = shard_of(address);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.counts.find(address);
    if (found != shard.counts.end() && --found->second == 0) shard.counts.erase(found);
  }

 private:
  using Count = std::atomic<uint32_t>;
  using Counts = std::unordered_map<wire::Address, uint32_t, KeyedAddressHash>;
  struct alignas(64) Shard {
    std::mutex mutex;  // taken for each connection, never for a packet
    Counts counts;
  };

  static bool take(Count& count, uint32_t most) {
    const uint32_t before = count.fetch_add(1, std::memory_order_relaxed);
    if (most == 0 || before < most) return true;
    count.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  static void give_back(Count& count) { count.fetch_sub(1, std::memory_order_relaxed); }
  Shard& shard_of(const wire::Address& address) { return clients_[address_hash(address, key_) >> 32 & 63]; }

  HashKey key_;
  Region<Count> listeners_{kMaxListeners};
  Region<Count> endpoints_{kMaxEndpoints};
  std::array<Shard, 64> clients_;
};

}  // namespace flatproxy
