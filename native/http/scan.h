#pragma once

#include <bit>
#include <cstdint>

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

/// Goes on in blocks up to the first character that is one of others(text), a byte of ones each, of which NUL is one.
/// False: there are too few characters left for a block.
template <typename Others>
inline bool skip_blocks(const char*& at, const char* end, Others&& others) {
  for (; end - at >= 16; at += 16) {
    const __m128i found = others(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
    const auto mask = static_cast<uint32_t>(_mm_movemask_epi8(found));
    if (mask != 0) return at += std::countr_zero(mask), true;
  }
  if (end - at < 8) return false;
  const __m128i found = others(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)));
  const int n = std::countr_zero(static_cast<uint32_t>(_mm_movemask_epi8(found)));  // at most 8: zeros are behind
  at += n;
  return n < 8;
}
#endif

}  // namespace detail

/// The first character that is not of a class, or the end. Of classes of 7-bit characters.
template <CharClass kClass>
inline const char* skip(const char* at, const char* end) {
#ifdef __SSSE3__
  static_assert(detail::is_of_7_bits<kClass>());
  static constexpr auto kLower = detail::halves<kClass>();
  const __m128i lower = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kLower.data()));
  const __m128i upper = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, static_cast<char>(128), 0, 0, 0, 0, 0, 0, 0, 0);
  const auto others = [&](__m128i text) {
    // A character of 8 bits finds 0.
    const __m128i may = _mm_shuffle_epi8(lower, text);
    const __m128i is = _mm_shuffle_epi8(upper, _mm_and_si128(_mm_srli_epi16(text, 4), _mm_set1_epi8(15)));
    return _mm_cmpeq_epi8(_mm_and_si128(may, is), _mm_setzero_si128());
  };
  if (detail::skip_blocks(at, end, others)) return at;
#endif
  while (at != end && is(*at, kClass)) ++at;
  return at;
}

/// The same of what may stand in a field's value.
inline const char* skip_field_value(const char* at, const char* end) {
#ifdef __SSSE3__
  const auto others = [](__m128i text) {
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(text, _mm_set1_epi8(0x1f)), text);
    const __m128i tab = _mm_cmpeq_epi8(text, _mm_set1_epi8('\t'));
    const __m128i del = _mm_cmpeq_epi8(text, _mm_set1_epi8(0x7f));
    return _mm_or_si128(_mm_andnot_si128(tab, control), del);
  };
  if (detail::skip_blocks(at, end, others)) return at;
#else
  static_assert(std::endian::native == std::endian::little, "the first byte is the lowest");
  constexpr uint64_t kEach = 0x0101010101010101u;
  while (end - at >= 8) {
    const auto word = detail::load_word<uint64_t>(at);
    // The highest bit of bytes below a space, and of DEL; above the first that is one there may be false ones.
    const uint64_t below_space = (word - kEach * 0x20) & ~word;
    const uint64_t no_delete = word ^ kEach * 0x7f;
    const uint64_t is_delete = (no_delete - kEach) & ~no_delete;
    const uint64_t found = (below_space | is_delete) & kEach * 0x80;
    if (found == 0) {
      at += 8;
      continue;
    }
    at += std::countr_zero(found) / 8;
    if (*at != '\t') return at;
    ++at;
  }
#endif
  while (at != end && is(*at, kFieldValue)) ++at;
  return at;
}

}  // namespace flatproxy::http
