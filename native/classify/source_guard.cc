#include "classify/source_guard.h"

#include <algorithm>

namespace flatproxy {

SourceGuard::SourceGuard(const std::vector<Home>& homes, uint16_t node) : active_(!homes.empty()), v6_(homes.size()) {
  for (const auto& [address, port] : homes) {
    if (port != node) guarded_.resize(std::max<size_t>(guarded_.size(), port + size_t{1}));
    if (port != node) guarded_[port] = true;
    if (address.is_v4()) {
      v4_.insert(address.v4_bytes(), 32, port + 1u);
    } else {
      v6_.insert(address, 128, port + 1u);
    }
  }
}

bool SourceGuard::admits(uint16_t port, const wire::Address& source, const RouteTable& routes) const {
  const uint32_t home = home_of(source);
  if (home != kNobodys) return home == port;
  if (!guards(port)) return true;
  const Route* route = routes.lookup(source);
  return route != nullptr && route->port == port;
}

}  // namespace flatproxy
