#include "config/plan.h"

#include <nlohmann/json.hpp>

#include "packet/error.h"
#include "packet/flow_hash.h"

namespace flatproxy {
namespace {

using Json = nlohmann::json;

[[noreturn]] void malformed(const std::string& what) {
  throw Error("ERR_FLATPROXY_INTERNAL", "the engine cannot read its plan: " + what,
              "this is a bug: the mesh's checker and the engine disagree");
}

wire::Address address_of(const Json& text) {
  const auto address = wire::Address::parse(text.get_ref<const std::string&>());
  if (!address) malformed("no address: " + text.dump());
  return *address;
}

wire::Prefix prefix_of(const Json& text) {
  const auto prefix = wire::Prefix::parse(text.get_ref<const std::string&>());
  if (!prefix) malformed("no prefix: " + text.dump());
  return *prefix;
}

/// A number below a bound: ids index tables.
uint32_t number_below(const Json& value, uint64_t bound, const char* what) {
  const auto n = value.get<uint64_t>();
  if (!value.is_number_unsigned() || n >= bound) malformed(std::string(what) + " out of range: " + value.dump());
  return static_cast<uint32_t>(n);
}

uint16_t port_number(const Json& value) { return static_cast<uint16_t>(number_below(value, 65536, "a port number")); }

Balance balance_of(const std::string& name) {
  if (name == "maglev") return Balance::maglev;
  if (name == "roundRobin") return Balance::round_robin;
  if (name == "leastRequest") return Balance::least_request;
  malformed("no balance: " + name);
}

Endpoint endpoint_of(const Json& json) {
  Endpoint endpoint;
  endpoint.id = number_below(json.at("id"), kMaxEndpoints, "an endpoint's id");
  endpoint.address = address_of(json.at("address"));
  endpoint.port = port_number(json.at("port"));
  endpoint.weight = static_cast<uint16_t>(number_below(json.at("weight"), 65536, "a weight"));
  endpoint.drain = json.at("drain").get<bool>();
  endpoint.name = json.at("name").get<std::string>();
  return endpoint;
}

Picker picker_of(const Service& service, bool v4) {
  std::vector<Picker::Candidate> candidates;
  for (uint32_t i = 0; i < service.endpoints.size(); ++i) {
    const Endpoint& e = service.endpoints[i];
    if (e.address.is_v4() != v4) continue;
    candidates.push_back({e.id, i, e.weight, e.drain, hash_end(e.address, e.port, 6, kBalanceKey)});
  }
  // Affinity needs a choice that depends on the hash alone.
  const Balance balance = service.source_affinity ? Balance::maglev : service.balance;
  return Picker(balance, service.id, std::move(candidates));
}

HealthCheck health_check_of(const Json& json) {
  HealthCheck check;
  check.interval = json.at("interval").get<uint32_t>();
  check.timeout = json.at("timeout").get<uint32_t>();
  check.healthy = json.at("healthy").get<uint16_t>();
  check.unhealthy = json.at("unhealthy").get<uint16_t>();
  check.jitter = json.at("jitter").get<double>();
  return check;
}

std::shared_ptr<const Service> service_of(const Json& json) {
  auto service = std::make_shared<Service>();
  service->id = number_below(json.at("id"), kMaxServices, "a service's id");
  service->name = json.at("name").get<std::string>();
  service->protocol = json.at("protocol") == "udp" ? 17 : 6;
  for (const Json& address : json.at("addresses")) service->addresses.push_back(address_of(address));
  service->port = port_number(json.at("port"));
  service->balance = balance_of(json.at("balance").get<std::string>());
  service->source_affinity = json.at("affinity") == "source";
  if (!json.at("healthCheck").is_null()) service->health_check = health_check_of(json.at("healthCheck"));
  for (const Json& endpoint : json.at("endpoints")) service->endpoints.push_back(endpoint_of(endpoint));
  service->picker_v4 = picker_of(*service, true);
  service->picker_v6 = picker_of(*service, false);
  return service;
}

/// What the rest of a snapshot must be built anew for.
struct Changes {
  bool own_addresses = false;
  bool services = false;
  bool virtual_addresses = false;
};

void take_services(const Json& json, Snapshot& snapshot, Changes& changes) {
  const auto same_places = [](const Service& a, const Service& b) {
    return a.addresses == b.addresses && a.port == b.port && a.protocol == b.protocol;
  };
  for (const Json& id : json.at("removed")) {
    const uint32_t index = number_below(id, snapshot.services.size(), "a removed service");
    snapshot.services[index].reset();
    changes.services = changes.virtual_addresses = true;
  }
  for (const Json& entry : json.at("set")) {
    auto service = service_of(entry);
    if (service->id >= snapshot.services.size()) snapshot.services.resize(service->id + 1);
    auto& slot = snapshot.services[service->id];
    changes.services = true;
    if (slot == nullptr || !same_places(*slot, *service)) changes.virtual_addresses = true;
    slot = std::move(service);
  }
}

void take_ports(const Json& json, const Snapshot* base, Snapshot& snapshot, Changes& changes, const OpenPort& open) {
  snapshot.ports.clear();
  for (const Json& entry : json) {
    const uint32_t id = number_below(entry.at("id"), kMaxPorts, "a port's id");
    if (id >= snapshot.ports.size()) snapshot.ports.resize(id + 1);
    PortEntry& port = snapshot.ports[id];
    for (const Json& own : entry.at("own")) port.own.push_back(prefix_of(own));
    port.config = entry.at("config").dump();
    const auto name = entry.at("name").get<std::string>();
    const PortEntry* before = base != nullptr && id < base->ports.size() ? &base->ports[id] : nullptr;
    if (before == nullptr || before->port == nullptr) {
      port.port = open(static_cast<uint16_t>(id), name, port.config);
      changes.own_addresses = true;
      continue;
    }
    if (before->config != port.config) {
      throw Error("ERR_FLATPROXY_UNSUPPORTED", "port '" + name + "' cannot be changed while it is open",
                  "remove it and add it under another name");
    }
    port.port = before->port;
    changes.own_addresses |= before->own != port.own;
  }
  changes.own_addresses |= base == nullptr || base->ports.size() != snapshot.ports.size();
}

std::shared_ptr<const RouteTable> routes_of(const Json& json) {
  std::vector<Route> routes;
  for (const Json& entry : json) {
    Route route;
    route.to = prefix_of(entry.at("to"));
    route.port = static_cast<uint16_t>(number_below(entry.at("port"), kMaxPorts, "a route's port"));
    if (entry.contains("via") && !entry.at("via").is_null()) {
      route.has_via = true;
      route.via = address_of(entry.at("via"));
    }
    routes.push_back(route);
  }
  return std::make_shared<RouteTable>(std::move(routes));
}

std::shared_ptr<const std::vector<Workload>> workloads_of(const Json& json) {
  auto workloads = std::make_shared<std::vector<Workload>>();
  for (const Json& entry : json) {
    Workload workload;
    workload.id = entry.at("id").get<uint32_t>();
    workload.name = entry.at("name").get<std::string>();
    workload.port = static_cast<uint16_t>(number_below(entry.at("port"), kMaxPorts, "a workload's port"));
    for (const Json& address : entry.at("addresses")) workload.addresses.push_back(address_of(address));
    workloads->push_back(std::move(workload));
  }
  return workloads;
}

FlowSettings flows_of(const Json& json) {
  FlowSettings flows;
  flows.capacity = json.at("capacity").get<uint32_t>();
  flows.adopt_midstream = json.at("midstream") == "adopt";
  flows.track_all = json.at("track") == "all";
  const Json& times = json.at("timeouts");
  const auto time = [&](const char* name) { return times.at(name).get<uint32_t>(); };
  // clang-format off
  flows.timeouts = {time("tcpSynSent"), time("tcpSynReceived"), time("tcpEstablished"), time("tcpFinWait"),
                    time("tcpCloseWait"), time("tcpLastAck"), time("tcpTimeWait"), time("tcpClose"),
                    time("udp"), time("udpAssured"), time("icmp"), time("fragment")};
  // clang-format on
  return flows;
}

void collect_own_addresses(Snapshot& snapshot) {
  std::vector<wire::Address> all;
  for (const auto& service : snapshot.services) {
    if (service != nullptr) all.insert(all.end(), service->addresses.begin(), service->addresses.end());
  }
  snapshot.service_addresses = std::make_shared<AddressSet>(all);
  for (const PortEntry& port : snapshot.ports) {
    for (const wire::Prefix& own : port.own) all.push_back(own.address);
  }
  snapshot.own_addresses = std::make_shared<AddressSet>(all);
}

void check_base(const Json& plan, const Snapshot* base) {
  if (plan.at("base").is_null()) return;
  if (base == nullptr || base->generation != plan.at("base").get<uint64_t>()) malformed("it builds on another generation");
}

std::shared_ptr<const Snapshot> build(const Json& plan, const Snapshot* base, const OpenPort& open) {
  check_base(plan, base);
  auto snapshot = std::make_shared<Snapshot>();
  if (base != nullptr && !plan.at("base").is_null()) *snapshot = *base;
  snapshot->generation = plan.at("generation").get<uint64_t>();
  Changes changes;
  snapshot->flows = flows_of(plan.at("flows"));
  take_services(plan.at("services"), *snapshot, changes);
  if (!plan.at("routes").is_null()) snapshot->routes = routes_of(plan.at("routes"));
  if (!plan.at("workloads").is_null()) snapshot->workloads = workloads_of(plan.at("workloads"));
  // Last, so that nothing can fail once ports have been opened.
  take_ports(plan.at("ports"), base, *snapshot, changes, open);
  // Both tables point at services, so they live and change with them.
  if (changes.services) {
    snapshot->service_table = std::make_shared<ServiceTable>(snapshot->services);
    snapshot->endpoint_table = std::make_shared<EndpointTable>(snapshot->services);
  }
  if (changes.virtual_addresses || changes.own_addresses) collect_own_addresses(*snapshot);
  return snapshot;
}

}  // namespace

std::shared_ptr<const Snapshot> build_snapshot(std::string_view plan, const Snapshot* base, const OpenPort& open) {
  try {
    return build(Json::parse(plan), base, open);
  } catch (const Json::exception& e) {
    malformed(e.what());
  }
}

}  // namespace flatproxy
