#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "wire/address.h"

namespace flatproxy {

/// What a cookie names an endpoint by: a hash of its address and port. The key is fixed, so that every node names it
/// alike, also after a restart; it hides the address from whoever only looks at it, not from whoever tries addresses.
uint64_t affinity_value(const wire::Address& address, uint16_t port);

/// The same in a cookie: 16 hexadecimal digits.
using AffinityText = std::array<char, 16>;
AffinityText affinity_text(uint64_t value);

/// A cookie of ours, which names the endpoint that a client is to come back to.
struct AffinityCookie {
  std::string_view name;  ///< empty: there is none to set
  uint64_t value = 0;     ///< affinity_value()
  uint32_t ttl = 0;       ///< seconds; 0: the client's session
};

/// Endpoints of a service by what a cookie names them by.
class AffinityTable {
 public:
  static constexpr uint32_t kNone = ~0u;
  struct Entry {
    uint64_t value;
    uint32_t index;  ///< in Service::endpoints
  };

  AffinityTable() = default;
  explicit AffinityTable(std::vector<Entry> entries);

  /// The index of the endpoint that the value of a cookie names, or kNone.
  uint32_t find(std::string_view text) const;

 private:
  std::vector<Entry> entries_;  // by value
};

}  // namespace flatproxy
