#pragma once

#include <optional>
#include <string_view>

namespace flatproxy::http {

/// A host, and the port that was said (RFC 3986 section 3.2).
struct Authority {
  std::string_view host;  ///< an IPv6 address with its brackets
  std::string_view port;  ///< digits; empty: none
};

/// Nothing: it is none. User information is refused (RFC 9110 section 4.2.4).
std::optional<Authority> parse_authority(std::string_view text);
/// Whether two name the same host and port. @param default_port what one without a port means
bool same_authority(const Authority& a, const Authority& b, std::string_view default_port);

}  // namespace flatproxy::http
