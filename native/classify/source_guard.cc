#include "classify/source_guard.h"

#include <algorithm>

namespace flatproxy {

SourceGuard::SourceGuard(const std::vector<Home>& homes, uint16_t node) : active_(!homes.empty()) {
  std::vector<PrefixMap::Entry> entries;
  for (const auto& [address, port] : homes) {
    entries.emplace_back(wire::Prefix::of(address), port);
    if (port == node) continue;
    guarded_.resize(std::max<size_t>(guarded_.size(), port + size_t{1}));
    guarded_[port] = true;
  }
  homes_ = PrefixMap(std::move(entries));
}

bool SourceGuard::admits(uint16_t port, const wire::Address& source, const RouteTable& routes) const {
  const uint32_t home = home_of(source);
  if (home != kNobodys) return home == port;
  if (!guards(port)) return true;
  const Route* route = routes.lookup(source);
  return route != nullptr && route->port == port;
}

}  // namespace flatproxy
