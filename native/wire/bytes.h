#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace flatproxy::wire {

using Bytes = std::span<const uint8_t>;
using MutableBytes = std::span<uint8_t>;

// Unaligned big-endian loads and stores. Callers have checked the length.

inline uint16_t load16(const uint8_t* p) {
  uint16_t word;
  std::memcpy(&word, p, 2);
  return __builtin_bswap16(word);
}
inline uint32_t load32(const uint8_t* p) {
  uint32_t word;
  std::memcpy(&word, p, 4);
  return __builtin_bswap32(word);
}
inline uint64_t load64(const uint8_t* p) {
  uint64_t word;
  std::memcpy(&word, p, 8);
  return __builtin_bswap64(word);
}
inline void store16(uint8_t* p, uint16_t value) {
  value = __builtin_bswap16(value);
  std::memcpy(p, &value, 2);
}
inline void store32(uint8_t* p, uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(p, &value, 4);
}
inline void store64(uint8_t* p, uint64_t value) {
  value = __builtin_bswap64(value);
  std::memcpy(p, &value, 8);
}

/// A word as it lies in memory, whatever the byte order: for comparing, moving and summing.
inline uint32_t load32_raw(const uint8_t* p) {
  uint32_t word;
  std::memcpy(&word, p, 4);
  return word;
}
inline uint64_t load64_raw(const uint8_t* p) {
  uint64_t word;
  std::memcpy(&word, p, 8);
  return word;
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the loads and stores swap");

}  // namespace flatproxy::wire
