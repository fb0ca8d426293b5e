#include "classify/policy_misfit.h"

#include <algorithm>

namespace flatproxy {
namespace {

bool selects(const Selector& selector, const wire::Address& address) {
  const auto holds = [&](const wire::Prefix& prefix) { return prefix.contains(address); };
  return std::any_of(selector.within.begin(), selector.within.end(), holds) &&
         std::none_of(selector.except.begin(), selector.except.end(), holds);
}

bool fits_peer(const PolicySet& set, const Policy& policy, const wire::Address& peer) {
  return !policy.peer || std::any_of(policy.peer->begin(), policy.peer->end(),
                                     [&](uint32_t place) { return selects(set.selectors[place], peer); });
}

bool fits_ports(const Policy& policy, const PolicyKey& key) {
  const auto has_port = [&](const PolicyPorts& ports) {
    return ports.protocol == key.protocol && ports.first <= key.port && key.port <= ports.last;
  };
  const auto has_pair = [&](const PolicyRoce& roce) {
    return key.roce && roce.first <= key.roce->qp && key.roce->qp <= roce.last &&
           (roce.classes >> static_cast<unsigned>(key.roce->kind) & 1) != 0;
  };
  return policy.fits_all() || std::any_of(policy.ports.begin(), policy.ports.end(), has_port) ||
         std::any_of(policy.roce.begin(), policy.roce.end(), has_pair);
}

/// Of a port that nobody knows, what denies holds.
bool fits_arrival(const Policy& policy, uint16_t arrival) {
  if (policy.on.empty()) return true;
  if (arrival == kNoPort) return denies(policy.action);
  const uint16_t id = is_host_side(arrival) ? Policy::kNodesStack : arrival;
  return std::find(policy.on.begin(), policy.on.end(), id) != policy.on.end();
}

bool fits_vlan(const Policy& policy, uint16_t vlan) {
  return policy.vlans.empty() || std::any_of(policy.vlans.begin(), policy.vlans.end(), [&](const PolicyVlans& range) {
           return range.first <= vlan && vlan <= range.last;
         });
}

}  // namespace

std::string_view misfit(const PolicySet& set, const Policy& policy, const PolicyKey& key) {
  const bool ingress = policy.direction == PolicyDirection::ingress;
  if (!fits_peer(set, policy, ingress ? key.source : key.destination)) return ingress ? "from" : "to";
  if (!fits_ports(policy, key)) return "ports";
  if (!fits_arrival(policy, key.arrival)) return "on";
  return fits_vlan(policy, key.vlan) ? "" : "vlan";
}

}  // namespace flatproxy
