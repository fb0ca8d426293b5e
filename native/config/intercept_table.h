#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "config/listener.h"
#include "l3/route_hash.h"

namespace flatproxy {

/// Which listener intercepts a connection that passes through: by port, then by the longest prefix that its destination
/// lies in. Built once, immutable.
class InterceptTable {
 public:
  InterceptTable() = default;
  /// @param listeners by id; holes are empty
  explicit InterceptTable(const std::vector<std::shared_ptr<const Listener>>& listeners);

  bool empty() const { return tables_.empty(); }
  /// The id of the listener for TCP to (address, port) from a client behind the port `on`, plus 1; 0: none.
  uint32_t find(const wire::Address& address, uint16_t port, uint16_t on) const {
    const uint32_t there = find_in(key_of(port, on), address);
    return there != 0 ? there : find_in(key_of(port, Listener::kAnyPort), address);
  }

 private:
  static uint32_t key_of(uint16_t port, uint16_t on) { return uint32_t{port} << 16 | on; }
  uint32_t find_in(uint32_t key, const wire::Address& address) const {
    const auto table = tables_.find(key);
    return table == tables_.end() ? 0 : table->second.lookup(address);
  }

  std::unordered_map<uint32_t, RouteHash> tables_;  // IPv4 as addresses that are mapped into IPv6
};

}  // namespace flatproxy
