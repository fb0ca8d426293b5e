#pragma once

#include <cstdint>
#include <vector>

#include "wire/address.h"

namespace flatproxy {

/// Longest-prefix match for IPv6: one hash table for all prefixes, asked for each prefix length in use, the longest
/// first. Meshes have few lengths (/128, /64, a default). Values are 0 (none) and above.
class RouteHash {
 public:
  /// @param prefixes how many insert() will bring, at most
  explicit RouteHash(size_t prefixes = 0);
  /// Prefixes must come in ascending order of length. @param address bits behind `length` zero
  void insert(const wire::Address& address, unsigned length, uint32_t value);
  uint32_t lookup(const wire::Address& address) const;

 private:
  struct Key {
    uint64_t high;
    uint64_t low;
    bool operator==(const Key&) const = default;
  };
  struct Length {
    uint64_t high_mask;
    uint64_t low_mask;
    uint8_t bits;
  };
  struct Slot {
    Key key{};
    uint32_t value = 0;  // 0: empty
    uint8_t bits = 0;
  };
  static Key key_of(const wire::Address& address);
  size_t place(const Key& key, uint8_t bits) const;
  const Slot& probe(const Key& key, uint8_t bits) const;

  std::vector<Length> lengths_;  // ascending
  std::vector<Slot> slots_;
};

}  // namespace flatproxy
