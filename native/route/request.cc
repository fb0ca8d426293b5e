#include "route/request.h"

#include <algorithm>

namespace flatproxy::route {
namespace {

bool is_named(const http::Field& field, std::string_view lower_name) {
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a | 0x20 : a) == b; };
  return field.name.size() == lower_name.size() &&
         std::equal(field.name.begin(), field.name.end(), lower_name.begin(), same);
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// Takes one character from the front of what is encoded; there is one.
char decode(std::string_view& encoded) {
  const char c = encoded.front();
  if (c == '%' && encoded.size() > 2) {
    const int high = digit(encoded[1]);
    const int low = digit(encoded[2]);
    if (high >= 0 && low >= 0) {
      encoded.remove_prefix(3);
      return static_cast<char>(high << 4 | low);
    }
  }
  encoded.remove_prefix(1);
  return c == '+' ? ' ' : c;
}

bool decodes_to(std::string_view encoded, std::string_view text) {
  for (const char c : text) {
    if (encoded.empty() || decode(encoded) != c) return false;
  }
  return encoded.empty();
}

}  // namespace

std::optional<std::string_view> field_value(const http::Fields& fields, std::string_view name, Scratch& scratch) {
  const auto named = [&](const http::Field& field) { return is_named(field, name); };
  const http::Field* first = std::find_if(fields.begin(), fields.end(), named);
  if (first == fields.end()) return std::nullopt;
  const http::Field* next = std::find_if(first + 1, fields.end(), named);
  if (next == fields.end()) return first->value;
  size_t size = first->value.size();
  for (const http::Field* field = next; field != fields.end(); field = std::find_if(field + 1, fields.end(), named))
    size += 2 + field->value.size();
  std::pmr::string& joined = scratch.clear(size);
  joined = first->value;
  for (const http::Field* field = next; field != fields.end(); field = std::find_if(field + 1, fields.end(), named))
    joined.append(", ").append(field->value);
  return joined;
}

std::optional<std::string_view> query_value(std::string_view query, std::string_view name, Scratch& scratch) {
  while (!query.empty()) {
    std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const size_t equals = pair.find('=');
    if (!decodes_to(pair.substr(0, equals), name)) continue;
    std::string_view value = equals == pair.npos ? std::string_view() : pair.substr(equals + 1);
    if (value.find_first_of("%+") == value.npos) return value;
    std::pmr::string& decoded = scratch.clear(value.size());
    while (!value.empty()) decoded += decode(value);
    return decoded;
  }
  return std::nullopt;
}

}  // namespace flatproxy::route
