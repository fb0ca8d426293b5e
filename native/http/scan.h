#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "http/chars.h"

#ifdef __SSSE3__
#include <tmmintrin.h>
#endif

namespace flatproxy::http {
namespace detail {

#ifdef __SSSE3__
/// Membership of 7-bit characters by their halves: for each lower half the upper ones that make a member, a bit each.
template <CharClass kClass>
constexpr std::array<uint8_t, 16> halves() {
  std::array<uint8_t, 16> bits{};
  for (unsigned c = 0; c < 128; ++c) {
    if ((kClasses[c] & kClass) != 0) bits[c & 15] = static_cast<uint8_t>(bits[c & 15] | 1u << (c >> 4));
  }
  return bits;
}

template <CharClass kClass>
constexpr bool is_of_7_bits() {
  for (unsigned c = 128; c < 256; ++c) {
    if ((kClasses[c] & kClass) != 0) return false;
  }
  return true;
}
#endif

constexpr uint64_t in_each_byte(uint8_t byte) { return byte * 0x0101010101010101u; }

}  // namespace detail

/// The first character that is not of a class, or the end. Of classes of 7-bit characters.
template <CharClass kClass>
inline const char* skip(const char* at, const char* end) {
#ifdef __SSSE3__
  static_assert(detail::is_of_7_bits<kClass>());
  static constexpr auto kLower = detail::halves<kClass>();
  const __m128i lower = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kLower.data()));
  const __m128i upper = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, static_cast<char>(128), 0, 0, 0, 0, 0, 0, 0, 0);
  while (end - at >= 16) {
    const __m128i text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    // A character of 8 bits finds 0.
    const __m128i may = _mm_shuffle_epi8(lower, text);
    const __m128i is = _mm_shuffle_epi8(upper, _mm_and_si128(_mm_srli_epi16(text, 4), _mm_set1_epi8(15)));
    const __m128i no = _mm_cmpeq_epi8(_mm_and_si128(may, is), _mm_setzero_si128());
    const auto mask = static_cast<uint32_t>(_mm_movemask_epi8(no));
    if (mask != 0) return at + std::countr_zero(mask);
    at += 16;
  }
#endif
  while (at != end && is(*at, kClass)) ++at;
  return at;
}

/// The same of what may stand in a field's value.
inline const char* skip_field_value(const char* at, const char* end) {
  static_assert(std::endian::native == std::endian::little, "the first byte is the lowest");
  while (end - at >= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    // The highest bit of bytes below a space, and of DEL; above the first that is one there may be false ones.
    const uint64_t below_space = (word - detail::in_each_byte(0x20)) & ~word;
    const uint64_t no_delete = word ^ detail::in_each_byte(0x7f);
    const uint64_t is_delete = (no_delete - detail::in_each_byte(1)) & ~no_delete;
    const uint64_t found = (below_space | is_delete) & detail::in_each_byte(0x80);
    if (found == 0) {
      at += 8;
      continue;
    }
    at += std::countr_zero(found) / 8;
    if (*at != '\t') return at;
    ++at;
  }
  while (at != end && is(*at, kFieldValue)) ++at;
  return at;
}

}  // namespace flatproxy::http
