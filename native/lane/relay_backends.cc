#include "lane/relay_backends.h"

#include <algorithm>
#include <utility>

#include "packet/flow_hash.h"
#include "wire/protocol.h"

namespace flatproxy {
namespace {

/// Source ports that are tried for a connection, for each lane: only those whose replies come to this lane are of use.
constexpr uint32_t kTries = 64;

uint64_t balance_hash(const Service& service, const wire::ProxyHeader& ends) {
  if (service.source_affinity) return address_hash(ends.source, kBalanceKey);
  const auto family = static_cast<uint8_t>(ends.source.is_v4() ? 4 : 6);
  const Tuple tuple{ends.source,           ends.destination,     ends.source_port,
                    ends.destination_port, wire::protocol::kTcp, family};
  return flow_hash(tuple, kBalanceKey);
}

}  // namespace

RelayBackends::RelayBackends(unsigned lane, LaneShared& shared, LaneCounters& counters, LaneBalance& balance,
                             const tcp::Stack& stack, OnChange on_change)
    : lane_(lane),
      shared_(shared),
      counters_(counters),
      balance_(balance),
      stack_(stack),
      on_change_(std::move(on_change)),
      ports_(shared.tcp_secrets.sequence) {}

std::optional<RelayTarget> RelayBackends::choose(const RelayClient& client) {
  const Listener* listener = snapshot_->listeners->at(client.listener);
  const Service* service = listener != nullptr ? service_for(*listener) : nullptr;
  const Endpoint* endpoint = service != nullptr ? endpoint_for(*service, client.ends) : nullptr;
  if (endpoint == nullptr) return std::nullopt;
  RelayTarget target{.service = service->id,
                     .endpoint = endpoint->id,
                     .max_connections = service->max_connections,
                     .proxy_header = service->proxy_header,
                     .mark = uint64_t{service->id + 1} << 32};
  if (!find_way(*endpoint, target)) return std::nullopt;
  ++balance_.open_flows[endpoint->id];
  ServiceCounter& counter = counters_.services[service->id];
  counter.new_flows.add(1);
  counter.active_flows.add(1);
  return target;
}

void RelayBackends::give_back(const RelayTarget& target) {
  if (!target.opened && (target.mark & kClaimed) != 0) unclaim(target.tuple);
  --balance_.open_flows[target.endpoint];
  Counter& active = counters_.services[target.service].active_flows;
  active.set(active.read() - 1);
}

bool RelayBackends::trusts(uint16_t listener, const wire::Address& peer) {
  const Listener* known = snapshot_->listeners->at(listener);
  if (known == nullptr) return false;
  return std::any_of(known->trusted.begin(), known->trusted.end(),
                     [&](const wire::Prefix& prefix) { return prefix.contains(peer); });
}

/// Evenly by weight: multiples of the golden ratio fill [0, 1) without gaps or heaps.
const Service* RelayBackends::service_for(const Listener& listener) {
  uint64_t total = 0;
  for (const Backend& backend : listener.backends) total += backend.weight;
  if (total == 0) return nullptr;
  uint64_t drawn = (uint64_t{turn_++ * 0x9e3779b9u} * total) >> 32;
  for (const Backend& backend : listener.backends) {
    if (drawn < backend.weight) return snapshot_->services[backend.service].get();
    drawn -= backend.weight;
  }
  return nullptr;
}

/// Of the client's family if there is one: what connects them then needs no other route than what they are used to.
const Endpoint* RelayBackends::endpoint_for(const Service& service, const wire::ProxyHeader& ends) const {
  const uint64_t hash = balance_hash(service, ends);
  const uint8_t first = ends.source.is_v4() ? 4 : 6;
  for (const uint8_t family : {first, static_cast<uint8_t>(10 - first)}) {
    const uint32_t index = service.picker(family).pick(hash, balance_);
    if (index != Picker::kNone) return &service.endpoints[index];
  }
  return nullptr;
}

bool RelayBackends::find_way(const Endpoint& endpoint, RelayTarget& target) {
  const Route* route = snapshot_->routes->lookup(endpoint.address);
  const wire::Address* own = snapshot_->own_for(endpoint.address);
  if (route == nullptr || own == nullptr) return false;
  const auto family = static_cast<uint8_t>(endpoint.address.is_v4() ? 4 : 6);
  target.tuple = {*own, endpoint.address, 0, endpoint.port, wire::protocol::kTcp, family};
  const Port* port = snapshot_->port(route->port);
  if (port != nullptr) target.mtu = port->info().mtu;
  const auto is_free = [this](const Tuple& tuple) {
    return shared_.home(flow_hash(tuple, shared_.key)) == lane_ && stack_.may_connect(tuple);
  };
  return ports_.find(target.tuple, kTries * shared_.lanes(), is_free) && claim(route->port, target);
}

bool RelayBackends::claim(uint16_t id, RelayTarget& target) {
  Port* port = snapshot_->port(id);
  if (port == nullptr || !port->wants_claims()) return true;
  if (!port->claim(target.tuple.reversed())) return false;
  target.mark |= kClaimed;
  return true;
}

void RelayBackends::unclaim(const Tuple& sent) {
  for (const PortEntry& entry : snapshot_->ports) {
    if (entry.port != nullptr && entry.port->wants_claims()) entry.port->unclaim(sent.reversed());
  }
}

}  // namespace flatproxy
