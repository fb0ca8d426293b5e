#pragma once

#include <cstdint>
#include <cstring>

#include "packet/tuple.h"

namespace flatproxy {

/// Secret of the flow hash, 64 random bits each, drawn once per engine: whoever chooses addresses and ports cannot
/// choose buckets.
struct HashKey {
  uint64_t words[4];
};

/// A key out of a seed (splitmix64): what a simulation replays. Each word must look random, or flows crowd together.
constexpr HashKey hash_key(uint64_t seed) {
  HashKey key{};
  for (uint64_t& word : key.words) {
    seed += 0x9e3779b97f4a7c15u;
    uint64_t z = seed;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    word = z ^ z >> 31;
  }
  return key;
}

/// Multiplies to 128 bits and folds: every input bit reaches every output bit.
inline uint64_t fold_multiply(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t hash_end_v4(uint32_t address, uint16_t port, const HashKey& key) {
  return fold_multiply((uint64_t{address} << 16 | port) ^ key.words[0], key.words[1]);
}
inline uint64_t hash_end(const wire::Address& address, uint16_t port, uint8_t family, const HashKey& key) {
  if (family == 4) return hash_end_v4(address.v4(), port, key);
  uint64_t high;
  uint64_t low;
  std::memcpy(&high, address.bytes.data(), 8);
  std::memcpy(&low, &address.bytes[8], 8);
  return fold_multiply(fold_multiply(high ^ key.words[0], low ^ key.words[1]) ^ port, key.words[3]);
}

inline uint64_t hash_ends(uint64_t a, uint64_t b, uint8_t protocol, uint8_t family, const HashKey& key) {
  return fold_multiply((a + b) ^ key.words[2], (a ^ b) + (uint64_t{protocol} << 8 | family) + key.words[3]);
}

/// That of a flow by its addresses and ports alone, as if it were routed: it leads to the flow's home lane, which
/// is one for all zones, since what ends here has none.
inline uint64_t routed_hash(const Tuple& t, const HashKey& key) {
  const uint64_t a = hash_end(t.source, t.source_port, t.family, key);
  const uint64_t b = hash_end(t.destination, t.destination_port, t.family, key);
  return hash_ends(a, b, t.protocol, t.family, key);
}
/// @param hash routed_hash()  @param zone not 0
inline uint64_t hash_in_zone(uint64_t hash, uint16_t zone, const HashKey& key) {
  return fold_multiply(hash ^ key.words[0], key.words[1] + zone);
}
/// Both directions of a flow have the same hash: an untranslated flow needs one index entry, and both of its
/// directions have the same home lane.
inline uint64_t flow_hash(const Tuple& t, const HashKey& key) {
  const uint64_t hash = routed_hash(t, key);
  return t.zone == 0 ? hash : hash_in_zone(hash, t.zone, key);
}
inline uint64_t flow_hash(const TupleV4& t, const HashKey& key) {
  const uint64_t a = hash_end_v4(t.source(), static_cast<uint16_t>(t.ports >> 16), key);
  const uint64_t b = hash_end_v4(t.destination(), static_cast<uint16_t>(t.ports), key);
  return hash_ends(a, b, t.protocol, 4, key);
}

/// Hash of one address: source affinity.
inline uint64_t address_hash(const wire::Address& address, const HashKey& key) {
  return fold_multiply(hash_end(address, 0, 6, key), key.words[2]);
}

/// A keyed hash for the balancers must not depend on the engine's secret: an endpoint is found again after a restart.
constexpr HashKey kBalanceKey{{0x9e3779b97f4a7c15u, 0xc2b2ae3d27d4eb4fu, 0x165667b19e3779f9u, 0xd6e8feb86659fd93u}};

}  // namespace flatproxy
