#include "lane/relay_backends.h"

#include <algorithm>
#include <utility>

#include "exchange/request_choice.h"
#include "lane/first_packet.h"
#include "packet/flow_hash.h"
#include "wire/protocol.h"

namespace flatproxy {
namespace {

/// Source ports that are tried for a connection, for each lane: only those whose replies come to this lane are of use.
constexpr uint32_t kTries = 64;

}  // namespace

RelayBackends::RelayBackends(unsigned lane, LaneShared& shared, LaneCounters& counters, LaneBalance& balance,
                             const tcp::Stack& stack, LinkWays& links, OnChange on_change, OnRefusal on_refusal)
    : lane_(lane),
      shared_(shared),
      counters_(counters),
      balance_(balance),
      stack_(stack),
      links_(links),
      on_change_(std::move(on_change)),
      on_refusal_(std::move(on_refusal)),
      ports_(shared.tcp_secrets.sequence),
      random_(shared.random) {}

std::optional<RelayTarget> RelayBackends::choose(const RelayClient& client) {
  const Listener* listener = snapshot_->listeners->at(client.listener);
  const Backend* backend = listener != nullptr ? backend_in_turn(listener->backends, turn_++) : nullptr;
  if (backend == nullptr) return std::nullopt;
  if (backend->service == Backend::kOriginal) return original_of(client);
  return choose_of(*snapshot_->services[backend->service], client);
}

/// Both ends see each other's addresses, as if nobody stood between them.
std::optional<RelayTarget> RelayBackends::original_of(const RelayClient& client) {
  RelayTarget target;
  target.tuple.destination = client.ends.destination;
  target.tuple.destination_port = client.ends.destination_port;
  if (!find_way(client, true, target)) return std::nullopt;
  return target;
}

std::optional<RelayTarget> RelayBackends::choose_of(const Service& service, const RelayClient& client) {
  const uint32_t index = pick(service, connection_hash(service, client.ends), client, Endpoint::kNone);
  if (index == Picker::kNone) return std::nullopt;
  std::optional<RelayTarget> target = way_to(service, service.endpoints[index], client);
  if (target) ++balance_.open_flows[target->endpoint];
  return target;
}

std::optional<RelayTarget> RelayBackends::way_to(const Service& service, const Endpoint& endpoint,
                                                 const RelayClient& client) {
  RelayTarget target{.service = service.id,
                     .endpoint = endpoint.id,
                     .max_connections = service.max_connections,
                     .proxy_header = service.proxy_header,
                     .mark = of_service(service.id)};
  target.tuple.destination = endpoint.address;
  target.tuple.destination_port = endpoint.port;
  if (!find_way(client, service.from_client, target)) return std::nullopt;
  ServiceCounter& counter = counters_.services[service.id];
  counter.new_flows.add(1);
  counter.active_flows.add(1);
  return target;
}

void RelayBackends::give_back(const RelayTarget& target) {
  closed(target);
  if (target.service != RelayTarget::kNone) --balance_.open_flows[target.endpoint];
}

void RelayBackends::closed(const RelayTarget& target) {
  if (!target.opened) {
    if ((target.mark & kClaimed) != 0) unclaim(target.tuple);
    if ((target.mark & kListed) != 0) unlist(target.tuple);
    if (const Way way = Way::of(target.path); way.is_by_link()) links_.let_go(way.number);
  }
  if (target.service == RelayTarget::kNone) return;
  Counter& active = counters_.services[target.service].active_flows;
  active.set(active.read() - 1);
}

PolicyKey RelayBackends::key_of(const RelayClient& client, const wire::Address& source, const wire::Address& to,
                                uint16_t port) const {
  PolicyKey key{source, to, wire::protocol::kTcp, port};
  key.vlan = vlan_of(client.mark);
  if (snapshot_->policies->speaks_of_arrival())
    key.arrival = client_port_now(*snapshot_, client.peer, arrival_of(client.mark));
  return key;
}

Reason RelayBackends::judge(const RelayClient& client, const wire::Address& source, const wire::Address& to,
                            uint16_t port) const {
  const PolicyTable& policies = *snapshot_->policies;
  return policies.empty() ? Reason::forwarded : policies.judge(key_of(client, source, to, port)).reason;
}

void RelayBackends::refused(const RelayClient& client, const wire::Address& source, const wire::Address& to,
                            uint16_t port) {
  const wire::ProxyHeader& ends = client.ends;
  const auto family = static_cast<uint8_t>(ends.source.is_v4() ? 4 : 6);
  FlowRecord flow;
  flow.original = {ends.source,           ends.destination,     ends.source_port,
                   ends.destination_port, wire::protocol::kTcp, family};
  flow.translated = to != ends.destination || port != ends.destination_port;
  flow.nat_address = to;
  flow.nat_port = port;
  flow.ingress = port_of(client);
  flow.terminated = true;
  if (const uint16_t vlan = vlan_of(client.mark); vlan != 0) flow.original.zone = kLinkZone | vlan;
  on_refusal_(flow, key_of(client, source, to, port));
}

uint16_t RelayBackends::port_of(const RelayClient& client) const {
  const uint16_t arrival = arrival_of(client.mark);
  const uint16_t now = client_port_now(*snapshot_, client.peer, arrival);
  return now != kNoPort ? now : arrival;
}

bool RelayBackends::trusts(uint16_t listener, const wire::Address& peer) {
  const Listener* known = snapshot_->listeners->at(listener);
  if (known == nullptr) return false;
  return std::any_of(known->trusted.begin(), known->trusted.end(),
                     [&](const wire::Prefix& prefix) { return prefix.contains(peer); });
}

uint32_t RelayBackends::pick(const Service& service, uint64_t hash, const RelayClient& client, uint32_t avoided) {
  LaneBalance balance = balance_;
  balance.avoided = avoided;
  return endpoint_of_either_family(service, client.ends.source,
                                   [&](const Picker& picker) { return picker.pick(hash, balance); });
}

void RelayBackends::pass_over(uint32_t endpoint, Nanoseconds until) {
  balance_.passed_over_until[endpoint] = static_cast<uint32_t>(until / tcp::kSecond) + 1;
}

const Service* RelayBackends::service(uint32_t id) const {
  return id < snapshot_->services.size() ? snapshot_->services[id].get() : nullptr;
}

/// From where to the target's destination: with a client that came through joined ports, as it came.
bool RelayBackends::find_way(const RelayClient& client, bool from_client, RelayTarget& target) {
  Tuple& tuple = target.tuple;
  tuple.protocol = wire::protocol::kTcp;
  tuple.family = static_cast<uint8_t>(tuple.destination.is_v4() ? 4 : 6);
  tuple.source = client.ends.source;
  tuple.source_port = client.ends.source_port;
  const bool same_family = client.ends.source.is_v4() == tuple.destination.is_v4();
  const Way way = Way::of(client.path);
  const bool joined = way.is_by_link() && snapshot_->peer(links_.at(way.number).port) != kNoPort;
  if (joined) return same_family && find_source(target, true) && find_link(way, target);

  const Route* route = snapshot_->routes->lookup(tuple.destination);
  if (route == nullptr) return false;
  if (const Port* port = snapshot_->port(route->port)) target.mtu = port->info().mtu;
  if (from_client) {
    if (!same_family || !find_source(target, true) || !claim(route->port, target)) return false;
    target.mark |= list(target.tuple);
    return true;
  }
  const wire::Address* own = snapshot_->own_for(tuple.destination);
  if (own == nullptr) return false;
  tuple.source = *own;
  return find_source(target, false) && claim(route->port, target);
}

/// The way that the client's frames would have gone on.
bool RelayBackends::find_link(const Way& client, RelayTarget& target) {
  LinkWay link = links_.at(client.number).back();
  link.port = snapshot_->peer(link.port);
  if (const Port* port = snapshot_->port(link.port)) target.mtu = port->info().mtu;
  const std::optional<LinkWays::Id> id = links_.hold(link);
  if (!id) return false;
  target.path = Way::by_link(*id).path();
  target.mark |= list(target.tuple);
  return true;
}

/// A source port whose replies come to this lane. @param as_it_is the one that the tuple has, if it can be
bool RelayBackends::find_source(RelayTarget& target, bool as_it_is) {
  const auto is_free = [this](const Tuple& tuple) {
    return shared_.home(flow_hash(tuple, shared_.key)) == lane_ && stack_.may_connect(tuple);
  };
  if (as_it_is && is_free(target.tuple)) return true;
  return ports_.find(target.tuple, kTries * shared_.lanes(), is_free);
}

bool RelayBackends::claim(uint16_t id, RelayTarget& target) {
  Port* port = snapshot_->port(id);
  if (port == nullptr || !port->wants_claims()) return true;
  if (!port->claim(target.tuple.reversed())) return false;
  target.mark |= kClaimed;
  return true;
}

uint64_t RelayBackends::list(const Tuple& sent) {
  const bool listed = shared_.lanes() > 1 && shared_.directory.insert(flow_hash(sent, shared_.key), lane_);
  return listed ? kListed : 0;
}

void RelayBackends::unlist(const Tuple& sent) { shared_.directory.remove(flow_hash(sent, shared_.key), lane_); }

void RelayBackends::unclaim(const Tuple& sent) {
  for (const PortEntry& entry : snapshot_->ports) {
    if (entry.port != nullptr && entry.port->wants_claims()) entry.port->unclaim(sent.reversed());
  }
}

}  // namespace flatproxy
