#include "config/snapshot.h"

namespace flatproxy {

uint16_t Snapshot::node_side(uint16_t port) const {
  const uint16_t near = host_side(port % kMaxPorts);
  if (this->port(near) != nullptr) return near;
  for (uint16_t id = kMaxPorts; id < kPortIds; ++id) {
    if (this->port(id) != nullptr) return id;
  }
  return kNoPort;
}

uint16_t Snapshot::zone(uint16_t port, uint16_t vlan) const {
  return peer(port) != kNoPort && judges_links() ? static_cast<uint16_t>(kLinkZone | vlan) : uint16_t{0};
}

bool Snapshot::judges_links() const {
  for (uint16_t id = 0; id < ports.size(); ++id) {
    if (ports[id].peer != kNoPort && (!policies->empty() || sources->guards(id))) return true;
  }
  return false;
}

const wire::Address* Snapshot::own(uint16_t port, uint8_t family) const {
  port %= kMaxPorts;
  if (port >= ports.size()) return nullptr;
  for (const wire::Prefix& prefix : ports[port].own) {
    if (prefix.address.is_v4() == (family == 4)) return &prefix.address;
  }
  return nullptr;
}

const wire::Address* Snapshot::own_towards(uint16_t port, const wire::Address& neighbor) const {
  port %= kMaxPorts;
  if (port >= ports.size()) return nullptr;
  for (const wire::Prefix& prefix : ports[port].own) {
    if (prefix.contains(neighbor)) return &prefix.address;
  }
  return own(port, neighbor.is_v4() ? 4 : 6);
}

const wire::Address* Snapshot::own_for(const wire::Address& destination) const {
  const Route* route = routes->lookup(destination);
  if (route == nullptr) return nullptr;
  return own_towards(route->port, route->has_via ? route->via : destination);
}

}  // namespace flatproxy
