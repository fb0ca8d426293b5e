#include "wire/address.h"

#include <algorithm>
#include <charconv>

#include "wire/bytes.h"

namespace flatproxy::wire {
namespace {

// A decimal without sign or leading zeros, at most `limit`.
std::optional<unsigned> parse_decimal(std::string_view text, unsigned limit) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 10);
  if (error != std::errc{} || end != text.data() + text.size() || value > limit) return std::nullopt;
  return value;
}

bool parse_v4(std::string_view text, uint8_t* out) {
  for (int i = 0; i < 4; ++i) {
    const size_t dot = i < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos) return false;
    const auto value = parse_decimal(text.substr(0, dot), 255);
    if (!value) return false;
    out[i] = static_cast<uint8_t>(*value);
    if (i < 3) text.remove_prefix(dot + 1);
  }
  return true;
}

bool parse_group(std::string_view text, uint8_t* out) {
  uint16_t value = 0;
  if (text.empty() || text.size() > 4) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return false;
  store16(out, value);
  return true;
}

// Colon-separated groups, the last of which may be a dotted IPv4 address. Bytes written, or -1.
int parse_groups(std::string_view text, uint8_t* out) {
  int n = 0;
  while (!text.empty()) {
    const size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (colon == std::string_view::npos && group.find('.') != std::string_view::npos) {
      return n <= 12 && parse_v4(group, out + n) ? n + 4 : -1;
    }
    if (n > 14 || !parse_group(group, out + n)) return -1;
    n += 2;
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
    if (text.empty()) return -1;  // ends in a single colon
  }
  return n;
}

bool parse_v6(std::string_view text, uint8_t* out) {
  const size_t gap = text.find("::");
  if (gap == std::string_view::npos) return parse_groups(text, out) == 16;
  uint8_t tail[16];
  const std::string_view left = text.substr(0, gap);
  if (left.find('.') != std::string_view::npos) return false;
  const int before = parse_groups(left, out);
  const int after = parse_groups(text.substr(gap + 2), tail);
  if (before < 0 || after < 0 || before + after > 14) return false;
  std::fill(out + before, out + 16 - after, uint8_t{0});
  std::copy(tail, tail + after, out + 16 - after);
  return true;
}

// The longest run of two or more zero groups, the first of equal ones (RFC 5952 section 4.2).
std::pair<size_t, size_t> longest_zero_run(const uint8_t* bytes) {
  size_t best = 0;
  size_t best_length = 1;
  for (size_t i = 0; i < 8; ++i) {
    size_t end = i;
    while (end < 8 && load16(bytes + 2 * end) == 0) ++end;
    if (end - i > best_length) {
      best = i;
      best_length = end - i;
    }
    if (end > i) i = end - 1;
  }
  return best_length > 1 ? std::pair{best, best + best_length} : std::pair<size_t, size_t>{8, 8};
}

std::string format_v6(const uint8_t* bytes) {
  const auto [zeros, zeros_end] = longest_zero_run(bytes);
  std::string text;
  for (size_t i = 0; i < 8; ++i) {
    if (i == zeros) {
      text += "::";
      i = zeros_end - 1;
      continue;
    }
    if (i > 0 && i != zeros_end) text += ':';
    char digits[4];
    const auto result = std::to_chars(digits, digits + 4, load16(bytes + 2 * i), 16);
    text.append(digits, result.ptr);
  }
  return text;
}

}  // namespace

std::string Mac::to_string() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : bytes) {
    if (!text.empty()) text += ':';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::optional<Address> Address::parse(std::string_view text) {
  uint8_t bytes[16];
  if (text.find(':') == std::string_view::npos) {
    if (!parse_v4(text, bytes)) return std::nullopt;
    return from_v4(bytes);
  }
  if (!parse_v6(text, bytes)) return std::nullopt;
  const Address address = from_v6(bytes);
  if (address.is_v4()) return std::nullopt;  // the mapped form is how IPv4 is held here; on a wire it is no address
  return address;
}

bool Address::unspecified() const { return is_v4() ? v4() == 0 : *this == Address{}; }
bool Address::multicast() const { return is_v4() ? bytes[12] >> 4 == 14 : bytes[0] == 0xff; }
bool Address::loopback() const {
  if (is_v4()) return bytes[12] == 127;
  Address one;
  one.bytes[15] = 1;
  return *this == one;
}
bool Address::link_local() const {
  if (is_v4()) return bytes[12] == 169 && bytes[13] == 254;
  return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

std::string Address::to_string() const {
  if (!is_v4()) return format_v6(bytes.data());
  std::string text;
  for (int i = 12; i < 16; ++i) {
    if (i > 12) text += '.';
    text += std::to_string(bytes[i]);
  }
  return text;
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = Address::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const unsigned limit = address->is_v4() ? 32 : 128;
  if (slash == std::string_view::npos) return Prefix{*address, static_cast<uint8_t>(limit)};
  const auto length = parse_decimal(text.substr(slash + 1), limit);
  if (!length) return std::nullopt;
  return Prefix{*address, static_cast<uint8_t>(*length)};
}

bool Prefix::contains(const Address& a) const {
  if (address.is_v4() != a.is_v4()) return false;
  unsigned bits = length + (a.is_v4() ? 96u : 0u);
  for (size_t i = 0; bits > 0; ++i) {
    const unsigned here = std::min(bits, 8u);
    if (((address.bytes[i] ^ a.bytes[i]) >> (8 - here)) != 0) return false;
    bits -= here;
  }
  return true;
}

Prefix Prefix::network() const {
  Prefix all = *this;
  unsigned bits = length + (address.is_v4() ? 96u : 0u);
  for (uint8_t& byte : all.address.bytes) {
    const unsigned here = std::min(bits, 8u);
    byte = static_cast<uint8_t>(byte & (0xff00u >> here));
    bits -= here;
  }
  return all;
}

std::string Prefix::to_string() const { return address.to_string() + '/' + std::to_string(length); }

}  // namespace flatproxy::wire
