#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace flatproxy::tcp {

/// The key of a SipHash.
struct SipKey {
  uint64_t words[2];
};

/// SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"): who sees its outputs can neither predict
/// others nor find the key.
inline uint64_t siphash(const void* data, size_t size, const SipKey& key) {
  uint64_t v0 = key.words[0] ^ 0x736f6d6570736575u;
  uint64_t v1 = key.words[1] ^ 0x646f72616e646f6du;
  uint64_t v2 = key.words[0] ^ 0x6c7967656e657261u;
  uint64_t v3 = key.words[1] ^ 0x7465646279746573u;
  const auto round = [&] {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  };
  const auto* bytes = static_cast<const uint8_t*>(data);
  for (size_t left = size; left >= 8; left -= 8, bytes += 8) {
    uint64_t word;
    std::memcpy(&word, bytes, 8);
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
  uint64_t last = static_cast<uint64_t>(size) << 56;
  std::memcpy(&last, bytes, size % 8);
  v3 ^= last;
  round();
  round();
  v0 ^= last;
  v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) round();
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace flatproxy::tcp
