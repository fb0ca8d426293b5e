#pragma once

#include <cstdint>
#include <unordered_map>

#include "packet/flow_hash.h"
#include "wire/address.h"

namespace flatproxy {

/// Counts something by key, and says when a key has its share. Nothing is kept of keys without a count.
template <typename Key, typename Hash>
class Shares {
 public:
  explicit Shares(Hash hash) : counts_(0, hash) {}

  /// @param most of one key, 0: without limit  False: the key has its share
  bool take(const Key& key, uint32_t most) {
    uint32_t& count = counts_[key];
    if (most != 0 && count >= most) return false;
    ++count;
    return true;
  }
  void give_back(const Key& key) {
    const auto found = counts_.find(key);
    if (found != counts_.end() && --found->second == 0) counts_.erase(found);
  }
  uint32_t of(const Key& key) const {
    const auto found = counts_.find(key);
    return found == counts_.end() ? 0 : found->second;
  }

 private:
  std::unordered_map<Key, uint32_t, Hash> counts_;
};

/// Addresses come from outside: nobody may choose ones that collide.
struct KeyedAddressHash {
  HashKey key;
  size_t operator()(const wire::Address& address) const { return address_hash(address, key); }
};

}  // namespace flatproxy
