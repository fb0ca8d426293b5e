#include "config/plan.h"

#include <algorithm>

#include "config/contradiction.h"
#include "config/plan_read.h"
#include "tls/server_context.h"

namespace flatproxy {
namespace {

void check_base(const Plan& plan, const Snapshot* base) {
  if (plan.base && (base == nullptr || base->generation != *plan.base)) {
    contradiction("it builds on generation " + std::to_string(*plan.base) + ", in force is " +
                  (base == nullptr ? "none" : std::to_string(base->generation)));
  }
  if (!plan.base && (!plan.routes || !plan.workloads || !plan.listeners || !plan.http_routes || !plan.policies))
    contradiction("it is not whole, but names no base");
  if (base != nullptr && base->flows.capacity != plan.flows.capacity) {
    throw Error("ERR_FLATPROXY_UNSUPPORTED", "flows.capacity cannot be changed while flatproxy runs",
                "keep it at " + std::to_string(base->flows.capacity) + ", or start anew");
  }
}

/// The config of the port by which a plan names the node's own stack.
constexpr std::string_view kNodePort = R"({"type":"host"})";

/// The id by which a plan names it, or kNoPort.
uint16_t node_of(const Plan& plan) {
  for (const PlannedPort& port : plan.ports) {
    if (port.config == kNodePort) return port.id;
  }
  return kNoPort;
}

/// What the base has open at a port's id, or nullptr.
const PortEntry* open_already(uint16_t id, const Snapshot* base) {
  if (base == nullptr || id >= base->ports.size() || base->ports[id].port == nullptr) return nullptr;
  return &base->ports[id];
}

bool is_joined_back(const Plan& plan, const PlannedPort& port) {
  return std::any_of(plan.ports.begin(), plan.ports.end(), [&](const PlannedPort& other) {
    return other.id == port.peer && other.id != port.id && other.peer == port.id;
  });
}

/// Before any port is opened: what would be refused after it.
void check_ports(const Plan& plan, const Snapshot* base) {
  std::vector<bool> seen(kMaxPorts);
  for (const PlannedPort& port : plan.ports) {
    if (seen[port.id]) contradiction("port " + std::to_string(port.id) + " comes twice");
    seen[port.id] = true;
    if (port.peer && !is_joined_back(plan, port))
      contradiction("port '" + port.name + "' is joined with a port that is not joined with it");
    const PortEntry* before = open_already(port.id, base);
    if (before == nullptr) continue;
    if (before->name != port.name)
      contradiction("the id of port '" + port.name + "' is that of '" + before->name + "'");
    if (before->config != port.config) {
      throw Error("ERR_FLATPROXY_UNSUPPORTED", "port '" + port.name + "' cannot be changed while it is open",
                  "remove it and add it under another name");
    }
  }
}

bool has_service(const Snapshot& next, uint32_t id) {
  return id < next.services.size() && next.services[id] != nullptr;
}

void check_http_route(const HttpRoute& route, const Snapshot& next) {
  for (const auto& at : route.listeners) {
    const Listener* listener = next.listeners->at(at.listener);
    if (listener == nullptr || !listener->http)
      contradiction("HTTP route '" + route.name + "' is attached to no listener of HTTP");
  }
  for (const auto& [matches, rule] : route.rules) {
    for (const HttpBackend& backend : rule.backends) {
      if (!has_service(next, backend.service)) contradiction("HTTP route '" + route.name + "' leads to no service");
    }
  }
}

/// Routes, workloads and listeners, also those of the base, name ports and services that there are.
void check_uses(const Snapshot& next, const Plan& plan) {
  std::vector<bool> known(kMaxPorts);
  for (const PlannedPort& port : plan.ports) known[port.id] = true;
  for (const Route& route : plan.routes ? *plan.routes : next.routes->routes()) {
    if (!known[route.port]) contradiction("the route to " + route.to.to_string() + " leads to no port");
  }
  for (const Workload& workload : *next.workloads) {
    if (!known[workload.port]) contradiction("workload '" + workload.name + "' is on no port");
  }
  for (const auto& listener : next.listeners->by_id()) {
    if (listener == nullptr) continue;
    if (listener->on != Listener::kAnyPort && !known[listener->on])
      contradiction("listener '" + listener->name + "' is on no port");
    for (const Backend& backend : listener->backends) {
      if (backend.service != Backend::kOriginal && !has_service(next, backend.service))
        contradiction("listener '" + listener->name + "' leads to no service");
    }
  }
  for (const HttpRoute& route : next.http_routes->routes()) check_http_route(route, next);
  known.push_back(node_of(plan) != kNoPort);  // Policy::kNodesStack
  for (const Policy& policy : next.policies->set().policies) {
    if (policy.action == PolicyAction::mirror && !known[policy.mirror.port])
      contradiction("policy '" + policy.name + "' mirrors to no port");
    for (const uint16_t id : policy.on) {
      if (!known[id]) contradiction("policy '" + policy.name + "' is about flows by no port");
    }
  }
}

void open_ports(Plan& plan, const Snapshot* base, Snapshot& next, const OpenPort& open) {
  next.ports.clear();
  next.node_port = node_of(plan);
  for (PlannedPort& planned : plan.ports) {
    if (planned.id >= next.ports.size()) next.ports.resize(planned.id + 1u);
    PortEntry& entry = next.ports[planned.id];
    if (planned.id == next.node_port) continue;
    if (const PortEntry* before = open_already(planned.id, base)) {
      entry = *before;
    } else {
      OpenedPort opened = open(planned.id, planned.name, planned.config);
      if (opened.port == nullptr) contradiction("port '" + planned.name + "' was not opened");
      entry = {std::move(opened.port),
               std::move(planned.name),
               std::move(planned.config),
               std::move(opened.addresses),
               {},
               std::move(opened.host),
               kNoPort};
    }
    entry.own = planned.own ? std::move(*planned.own) : entry.found;
    entry.peer = planned.peer.value_or(kNoPort);
  }
  const auto has_host = [](const PortEntry& entry) { return entry.host != nullptr; };
  if (next.node_port != kNoPort && std::none_of(next.ports.begin(), next.ports.end(), has_host)) {
    throw Error("ERR_FLATPROXY_UNSUPPORTED", "the node's own stack is reached through an iface port that takes all",
                "add one (take: 'all')");
  }
}

/// Whether what the prefix is on is reached there directly. Link-local addresses mean another thing on every port and
/// are never routed (RFC 4291 section 2.5.6).
bool makes_route(const wire::Prefix& own) {
  return own.length < (own.address.is_v4() ? 32 : 128) && !own.address.link_local();
}

/// The plan's routes, then those to where ports stand by themselves, of which the plan cannot know.
void take_routes(Plan& plan, Snapshot& next) {
  if (!plan.routes) return;
  std::vector<Route> routes = std::move(*plan.routes);
  for (const PlannedPort& planned : plan.ports) {
    if (planned.own) continue;
    for (const wire::Prefix& own : next.ports[planned.id].own) {
      if (makes_route(own)) routes.push_back({own, planned.id, false, {}});
    }
  }
  next.routes = std::make_shared<const RouteTable>(std::move(routes));
}

/// With the certificates as they are now. Those that are the same leave the base's tickets what they are.
void make_secure(Listener& listener, const Listener* before, const MakeTls& make_tls) {
  try {
    listener.relay.tls = make_tls(*listener.tls);
  } catch (const Error& error) {
    std::string message = "listener '";
    message.append(listener.name).append("': ").append(error.what());
    throw Error(error.code, message, error.remedy);
  }
  const bool same =
      before != nullptr && before->relay.tls != nullptr && before->relay.tls->is_same(*listener.relay.tls);
  if (same) listener.relay.tls = before->relay.tls;
}

/// The plan's listeners; those that are the same in the base are taken from there.
void take_listeners(Plan& plan, Snapshot& next, const Snapshot* base, const MakeTls& make_tls) {
  if (!plan.listeners) return;
  std::vector<std::shared_ptr<const Listener>> by_id;
  for (auto& listener : *plan.listeners) {
    const uint32_t id = listener->id;
    if (id >= by_id.size()) by_id.resize(id + 1);
    if (by_id[id] != nullptr) contradiction("listener " + std::to_string(id) + " comes twice");
    const auto* known = base != nullptr && base->listeners->at(id) != nullptr ? &base->listeners->by_id()[id] : nullptr;
    if (listener->tls && make_tls) make_secure(*listener, known != nullptr ? known->get() : nullptr, make_tls);
    by_id[id] = known != nullptr && **known == *listener ? *known : std::move(listener);
  }
  next.listeners = std::make_shared<const ListenerSet>(std::move(by_id));
}

/// The plan's HTTP routes; compiled anew only if they are not what the base has.
void take_http_routes(Plan& plan, Snapshot& next, const Snapshot* base) {
  if (!plan.http_routes) return;
  const bool same = base != nullptr && base->http_routes->routes() == *plan.http_routes;
  next.http_routes = same ? base->http_routes : std::make_shared<const route::Table>(std::move(*plan.http_routes));
}

/// Which port a workload's packets come by.
void bind_sources(Snapshot& next) {
  std::vector<SourceGuard::Home> homes;
  for (const Workload& workload : *next.workloads) {
    for (const wire::Address& address : workload.addresses) homes.push_back({address, workload.port});
  }
  next.sources = std::make_shared<const SourceGuard>(homes, next.node_port);
}

/// The plan's policies; compiled anew only if they are not what the base has.
void take_policies(Plan& plan, Snapshot& next, const Snapshot* base) {
  if (plan.policies) {
    PolicySet set = resolve_policies(std::move(*plan.policies), *next.workloads, node_of(plan));
    const bool same = base != nullptr && base->policies->set() == set;
    next.policies = same ? base->policies : std::make_shared<const PolicyTable>(std::move(set));
  }
  if (!next.policies->empty() && !next.flows.track_all) contradiction("it has policies, but tracks no flows for them");
}

/// One that is the same is the base's: its file stays open.
void take_access_log(Plan& plan, Snapshot& next, const Snapshot* base) {
  const bool same = base != nullptr && base->access_log != nullptr && plan.access_log == *base->access_log;
  next.access_log = same              ? base->access_log
                    : plan.access_log ? std::make_shared<const AccessLogSettings>(std::move(*plan.access_log))
                                      : nullptr;
}

bool is_a_ports(const Snapshot& snapshot, const wire::Address& address) {
  const auto has_it = [&](const wire::Prefix& own) { return own.address == address; };
  return std::any_of(snapshot.ports.begin(), snapshot.ports.end(),
                     [&](const PortEntry& port) { return std::any_of(port.own.begin(), port.own.end(), has_it); });
}

/// A listener may stand on a port's own address, which is no virtual one then: whatever else comes to it is the node's.
std::vector<wire::Address> virtual_addresses(const Snapshot& snapshot) {
  std::vector<wire::Address> all;
  for (const auto& listener : snapshot.listeners->by_id()) {
    if (listener == nullptr) continue;
    for (const wire::Address& address : listener->addresses) {
      if (!is_a_ports(snapshot, address)) all.push_back(address);
    }
  }
  for (const auto& service : snapshot.services) {
    if (service != nullptr) all.insert(all.end(), service->addresses.begin(), service->addresses.end());
  }
  return all;
}

std::vector<wire::Address> own_addresses(const Snapshot& snapshot) {
  std::vector<wire::Address> all;
  for (const PortEntry& port : snapshot.ports) {
    for (const wire::Prefix& own : port.own) all.push_back(own.address);
  }
  return all;
}

/// Kept as they are in `next` so far, the base's, unless they have become others.
void collect_addresses(Snapshot& next, const Snapshot* base) {
  std::vector<wire::Address> addresses = virtual_addresses(next);
  const std::vector<wire::Address> own = own_addresses(next);
  const bool same_virtual = base != nullptr && virtual_addresses(*base) == addresses;
  const bool same_ports = base != nullptr && own_addresses(*base) == own;
  next.virtual_addresses = same_virtual ? base->virtual_addresses : std::make_shared<const AddressSet>(addresses);
  addresses.insert(addresses.end(), own.begin(), own.end());
  next.own_addresses = same_virtual && same_ports ? base->own_addresses : std::make_shared<const AddressSet>(addresses);
}

std::shared_ptr<const Snapshot> build(Plan plan, const Snapshot* base, const OpenPort& open, const MakeTls& make_tls) {
  check_base(plan, base);
  auto next = std::make_shared<Snapshot>();
  if (plan.base) *next = *base;
  next->generation = plan.generation;
  next->flows = plan.flows;
  take_access_log(plan, *next, base);
  change_services(*next, base, std::move(plan.services));
  take_listeners(plan, *next, base, make_tls);
  take_http_routes(plan, *next, base);
  if (plan.workloads) next->workloads = std::make_shared<const std::vector<Workload>>(std::move(*plan.workloads));
  take_policies(plan, *next, base);
  check_uses(*next, plan);
  check_ports(plan, base);
  // Nothing but an opening itself can fail from here.
  open_ports(plan, base, *next, open);
  take_routes(plan, *next);
  if (plan.workloads) bind_sources(*next);
  collect_addresses(*next, base);
  return next;
}

}  // namespace

std::shared_ptr<const Snapshot> build_snapshot(std::string_view plan, const Snapshot* base, const OpenPort& open,
                                               const MakeTls& make_tls) {
  return build(read_plan(plan), base, open, make_tls);
}

}  // namespace flatproxy
