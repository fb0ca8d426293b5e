#pragma once

#include <cstdint>
#include <vector>

#include "l3/prefix_map.h"
#include "l3/route_table.h"

namespace flatproxy {

/// Binds workloads' addresses to their ports: a packet that a workload would have sent comes by its port, and what
/// comes by a port that workloads are behind is from one of them, or from where routes lead by that port (reverse path
/// filtering, RFC 3704 section 2.2, for these ports alone). Built once, immutable.
class SourceGuard {
 public:
  struct Home {
    wire::Address address;
    uint16_t port;
  };
  /// @param node the id by which routes name the node's own stack: it may send from addresses that are no workload's
  explicit SourceGuard(const std::vector<Home>& homes = {}, uint16_t node = 0xffff);

  /// Whether there is anything to guard.
  bool active() const { return active_; }
  /// @param port where the packet came from, host sides as the node's own id
  bool admits(uint16_t port, const wire::Address& source, const RouteTable& routes) const;
  /// The port of the workload that has the address, or kNobodys.
  uint32_t home_of(const wire::Address& source) const { return homes_.lookup(source); }
  static constexpr uint32_t kNobodys = PrefixMap::kNone;
  /// Whether workloads are behind the port.
  bool guards(uint16_t port) const { return port < guarded_.size() && guarded_[port]; }

 private:
  bool active_;
  std::vector<bool> guarded_;  // by port id
  PrefixMap homes_;            // ids of ports
};

}  // namespace flatproxy
