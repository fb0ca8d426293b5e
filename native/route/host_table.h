#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "http/chars.h"
#include "route/text_index.h"

namespace flatproxy::route {

/// A request's host as hostnames are compared: in lower case, without port and without the dot at its end.
class HostName {
 public:
  /// @param authority as it was sent. One that is longer than any name (RFC 1035) is no name: only `any` matches.
  explicit HostName(std::string_view authority) {
    std::string_view host = authority;
    const size_t colon = host.rfind(':');
    if (colon != host.npos && host.find(']', colon) == host.npos) host = host.substr(0, colon);
    if (host.ends_with('.')) host.remove_suffix(1);
    if (host.size() > bytes_.size()) return;
    size_ = host.size();
    size_t i = 0;
    for (; size_ - i >= 8; i += 8) {
      const uint64_t word = http::detail::lower_word(http::detail::load_word<uint64_t>(&host[i]));
      std::memcpy(&bytes_[i], &word, 8);
    }
    for (; i < size_; ++i) bytes_[i] = http::lower(host[i]);
  }
  std::string_view text() const { return {bytes_.data(), size_}; }

 private:
  size_t size_ = 0;
  std::array<char, 255> bytes_;
};

/// Hostnames, in scopes of their own, and a number for each: exact ones, `*.suffix` for any number of labels in front
/// of it, and "" for any host.
class HostTable {
 public:
  static constexpr uint32_t kNone = TextIndex::kNone;

  uint32_t add_scope() {
    scopes_.emplace_back();
    return static_cast<uint32_t>(scopes_.size() - 1);
  }
  /// What a hostname has in a scope; kNone: nothing.
  uint32_t at(uint32_t scope, std::string_view hostname) const {
    return hostname.empty() ? scopes_[scope].any : names_.find(scope, without_star(hostname));
  }
  /// Gives a hostname that has nothing yet a value; returns it.
  uint32_t add(uint32_t scope, std::string_view hostname, uint32_t value) {
    Scope& its = scopes_[scope];
    if (hostname.empty()) return its.any = value;
    const std::string_view name = without_star(hostname);
    if (name.size() == hostname.size())
      its.has_exact = true;
    else
      its.most_labels = std::max(its.most_labels, static_cast<uint32_t>(std::ranges::count(name, '.')));
    return names_.add(scope, name, value);
  }

  /// Calls visit(value) for what matches, the most specific first, until it returns true.
  template <typename Visit>
  bool visit(uint32_t scope, const HostName& host, Visit&& visit) const {
    const Scope& its = scopes_[scope];
    const std::string_view name = host.text();
    const auto try_name = [&](std::string_view text) {
      const uint32_t value = names_.find(scope, text);
      return value != kNone && visit(value);
    };
    if (its.has_exact && !name.starts_with('.') && try_name(name)) return true;
    if (its.most_labels != 0) {
      // The suffixes that are not longer than the longest wildcard's, each with the dot in front of it.
      size_t dot = name.size();
      for (uint32_t i = 0; i < its.most_labels; ++i) {
        const size_t before = dot == 0 ? name.npos : name.rfind('.', dot - 1);
        if (before == name.npos || before == 0) break;
        dot = before;
      }
      for (; dot < name.size(); dot = name.find('.', dot + 1)) {
        if (try_name(name.substr(dot))) return true;
      }
    }
    return its.any != kNone && visit(its.any);
  }

 private:
  struct Scope {
    uint32_t any = kNone;
    uint32_t most_labels = 0;  // of a wildcard's suffix
    bool has_exact = false;
  };

  /// What a wildcard keeps is its dot, so that it is never an exact name.
  static std::string_view without_star(std::string_view hostname) {
    return hostname.starts_with("*.") ? hostname.substr(1) : hostname;
  }

  std::vector<Scope> scopes_;
  TextIndex names_;  // wildcards without their star
};

}  // namespace flatproxy::route
