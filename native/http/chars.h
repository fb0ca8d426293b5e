#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace flatproxy::http {

/// What a byte may stand in; bits.
enum CharClass : uint8_t {
  kToken = 1,       ///< tchar (RFC 9110 section 5.6.2)
  kFieldValue = 2,  ///< VCHAR, obs-text, SP, HTAB (section 5.5)
  kPath = 4,        ///< of a target before its query, '%' included; not '?'
  kQuery = 8,       ///< of a target's query
  kHostName = 16,   ///< of a registered name or IPv4 address
  kHexDigit = 32,
  kDigit = 64,
};

namespace detail {

constexpr bool is_one_of(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

constexpr std::array<uint8_t, 256> char_classes() {
  std::array<uint8_t, 256> classes{};
  for (unsigned i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    const bool digit = c >= '0' && c <= '9';
    const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool visible = i > 0x20 && i < 0x7f;
    uint8_t k = 0;
    if (digit || alpha || is_one_of(c, "!#$%&'*+-.^_`|~")) k |= kToken;
    if (visible || i >= 0x80 || c == ' ' || c == '\t') k |= kFieldValue;
    // RFC 3986 allows less; browsers do not encode [ ] ^ ` { | } everywhere (WHATWG URL). A backslash, which some take
    // for a slash, is refused where it could be one, and a fragment is never sent (RFC 9112 section 3.2).
    if (visible && !is_one_of(c, "\"<>#?\\")) k |= kPath;
    if (visible && !is_one_of(c, "\"<>#")) k |= kQuery;
    // RFC 3986 section 3.2.2 without '%' and ',': neither is in any name, and a comma might be taken for a list.
    if (digit || alpha || is_one_of(c, "-._~!$&'()*+;=")) k |= kHostName;
    if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) k |= kHexDigit;
    if (digit) k |= kDigit;
    classes[i] = k;
  }
  return classes;
}

inline constexpr std::array<uint8_t, 256> kClasses = char_classes();

}  // namespace detail

inline bool is(char c, CharClass what) { return (detail::kClasses[static_cast<uint8_t>(c)] & what) != 0; }

inline uint32_t hex_value(char c) {
  return static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);  // c is a kHexDigit
}

inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

namespace detail {

template <typename Word>
Word load_word(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

/// Each byte that is a capital letter made small.
template <typename Word>
constexpr Word lower_word(Word word) {
  constexpr Word kEach = static_cast<Word>(0x0101010101010101u);
  const Word seven = word & (kEach * 0x7f);
  // The highest bit of bytes from 'A' on, and of those behind 'Z'.
  const Word from_a = seven + kEach * (0x80 - 'A');
  const Word behind_z = seven + kEach * (0x7f - 'Z');
  const Word capital = from_a & ~behind_z & ~word & (kEach * 0x80);
  return word | (capital >> 2);
}

template <typename Word>
bool equals_by_words(std::string_view text, std::string_view lower_case) {
  const size_t last = text.size() - sizeof(Word);
  for (size_t at = 0;; at = at + sizeof(Word) < last ? at + sizeof(Word) : last) {
    if (lower_word(load_word<Word>(&text[at])) != load_word<Word>(&lower_case[at])) return false;
    if (at == last) return true;
  }
}

}  // namespace detail

/// @param lower_case without capitals
inline bool equals_ignoring_case(std::string_view text, std::string_view lower_case) {
  if (text.size() != lower_case.size()) return false;
  if (text.size() >= 8) return detail::equals_by_words<uint64_t>(text, lower_case);
  if (text.size() >= 4) return detail::equals_by_words<uint32_t>(text, lower_case);
  for (size_t i = 0; i < text.size(); ++i) {
    if (lower(text[i]) != lower_case[i]) return false;
  }
  return true;
}

/// Without the spaces and tabs around it.
inline std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  const char* begin = text.data();
  const char* end = begin + text.size();
  while (begin != end && is_space(*begin)) ++begin;
  while (begin != end && is_space(end[-1])) --end;
  return {begin, static_cast<size_t>(end - begin)};
}

/// Takes the next element off a comma-separated list (RFC 9110 section 5.6.1), trimmed; empty ones come, too.
inline std::string_view next_element(std::string_view& list) {
  const size_t comma = list.find(',');
  const std::string_view element = trim(list.substr(0, comma));
  list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  return element;
}

}  // namespace flatproxy::http
