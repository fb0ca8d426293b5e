#include "http/authority.h"

#include <algorithm>

#include "http/chars.h"
#include "http/scan.h"
#include "wire/address.h"

namespace flatproxy::http {
namespace {

bool is_port(std::string_view text) {
  if (text.size() > 5) return false;
  uint32_t port = 0;
  for (const char c : text) {
    if (!is(c, kDigit)) return false;
    port = port * 10 + static_cast<uint32_t>(c - '0');
  }
  return port <= 0xffff && (text.empty() || port > 0);
}

/// The length of a host at the front of a text; 0: there is none.
size_t host_length(std::string_view text) {
  if (!text.empty() && text.front() == '[') {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return 0;
    const auto address = wire::Address::parse(text.substr(1, close - 1));
    return address && !address->is_v4() ? close + 1 : 0;
  }
  const char* const end = text.data() + text.size();
  return static_cast<size_t>(skip<kHostName>(text.data(), end) - text.data());
}

bool same_host(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::optional<Authority> parse_authority(std::string_view text) {
  const size_t n = host_length(text);
  if (n == 0) return std::nullopt;
  Authority authority{text.substr(0, n), {}};
  if (n == text.size()) return authority;
  if (text[n] != ':' || !is_port(text.substr(n + 1))) return std::nullopt;
  authority.port = text.substr(n + 1);
  return authority;
}

bool same_authority(const Authority& a, const Authority& b, std::string_view default_port) {
  const std::string_view port_a = a.port.empty() ? default_port : a.port;
  const std::string_view port_b = b.port.empty() ? default_port : b.port;
  return port_a == port_b && same_host(a.host, b.host);
}

}  // namespace flatproxy::http
