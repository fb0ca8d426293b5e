#include "config/plan_read.h"

#include "config/plan_http.h"
#include "config/plan_policies.h"
#include "config/plan_value.h"
#include "conntrack/flow_index.h"
#include "wire/protocol.h"

namespace flatproxy {
namespace {

using Json = nlohmann::json;

constexpr int kDeepest = 64;                               // levels of nesting: what reads it may recurse
constexpr uint64_t kHighestGeneration = (1ull << 53) - 1;  // what JavaScript counts up to
constexpr uint64_t kHighest32 = 0xffff'ffff;
constexpr uint64_t kHeaviestBackend = 1'000'000;

wire::Address read_address(const PlanValue& value) {
  const auto address = wire::Address::parse(value.text());
  if (!address) value.wrong("an IP address");
  return *address;
}

std::vector<wire::Address> read_addresses(const PlanValue& value) {
  std::vector<wire::Address> addresses;
  value.each([&](const PlanValue& each) { addresses.push_back(read_address(each)); });
  return addresses;
}

uint16_t read_port_id(const PlanValue& value) { return value.number_as<uint16_t>(0, kMaxPorts - 1); }

PlannedPort read_port(const PlanValue& value) {
  PlannedPort port;
  port.id = read_port_id(value.at("id"));
  port.name = value.at("name").text();
  const PlanValue own = value.at("own");
  if (!own.null()) {
    port.own.emplace();
    own.each([&](const PlanValue& each) { port.own->push_back(each.prefix()); });
  }
  port.config = value.at("config").object_text();
  if (value.has("peer")) port.peer = read_port_id(value.at("peer"));
  value.members(port.peer ? 5 : 4);
  return port;
}

Route read_route(const PlanValue& value) {
  Route route;
  route.to = value.at("to").prefix();
  route.port = read_port_id(value.at("port"));
  route.has_via = value.has("via");
  if (route.has_via) {
    route.via = read_address(value.at("via"));
    if (route.via.is_v4() != route.to.address.is_v4()) value.at("via").wrong("an address of the prefix's family");
  }
  value.members(route.has_via ? 3 : 2);
  return route;
}

Workload read_workload(const PlanValue& value) {
  Workload workload;
  workload.id = value.at("id").number_as<uint32_t>(0, kHighest32);
  workload.name = value.at("name").text();
  workload.port = read_port_id(value.at("port"));
  workload.addresses = read_addresses(value.at("addresses"));
  value.members(4);
  return workload;
}

HealthCheck read_health_check(const PlanValue& value) {
  HealthCheck check;
  check.interval = value.at("interval").number_as<uint32_t>(1, kHighest32);
  check.timeout = value.at("timeout").number_as<uint32_t>(1, kHighest32);
  check.healthy = value.at("healthy").number_as<uint16_t>(1, 0xffff);
  check.unhealthy = value.at("unhealthy").number_as<uint16_t>(1, 0xffff);
  check.jitter = value.at("jitter").share();
  value.members(5);
  return check;
}

Endpoint read_endpoint(const PlanValue& value) {
  Endpoint endpoint;
  endpoint.id = value.at("id").number_as<uint32_t>(0, kMaxEndpoints - 1);
  endpoint.address = read_address(value.at("address"));
  endpoint.port = value.at("port").number_as<uint16_t>(1, 0xffff);
  endpoint.weight = value.at("weight").number_as<uint16_t>(0, 0xffff);
  endpoint.drain = value.at("drain").flag();
  endpoint.name = value.at("name").text();
  value.members(6);
  return endpoint;
}

std::shared_ptr<Service> read_service(const PlanValue& value) {
  auto service = std::make_shared<Service>();
  service->id = value.at("id").number_as<uint32_t>(0, kMaxServices - 1);
  service->name = value.at("name").text();
  service->protocol =
      value.at("protocol").one_of<uint8_t>({{"tcp", wire::protocol::kTcp}, {"udp", wire::protocol::kUdp}});
  service->addresses = read_addresses(value.at("addresses"));
  service->port = value.at("port").number_as<uint16_t>(1, 0xffff);
  service->balance = value.at("balance").one_of<Balance>({{"maglev", Balance::maglev},
                                                          {"roundRobin", Balance::round_robin},
                                                          {"leastRequest", Balance::least_request},
                                                          {"ringHash", Balance::ring_hash}});
  service->source_affinity = value.at("affinity").one_of<bool>({{"none", false}, {"source", true}});
  const PlanValue check = value.at("healthCheck");
  if (!check.null()) service->health_check = read_health_check(check);
  service->max_connections = value.at("maxConnections").number_as<uint32_t>(0, kHighest32);
  service->proxy_header = value.at("proxyProtocol").one_of<uint8_t>({{"none", 0}, {"v1", 1}, {"v2", 2}});
  service->http = read_http_pool(value.at("http"));
  value.at("endpoints").each([&](const PlanValue& each) { service->endpoints.push_back(read_endpoint(each)); });
  const bool has_source = value.has("source");
  if (has_source) service->from_client = value.at("source").one_of<bool>({{"own", false}, {"client", true}});
  value.members(has_source ? 13 : 12);
  return service;
}

RelaySettings read_relay(const PlanValue& value) {
  RelaySettings relay;
  relay.connect_timeout = value.at("connectTimeout").duration(1);
  relay.idle_timeout = value.at("idleTimeout").duration(1);
  relay.max_connections = value.at("maxConnections").number_as<uint32_t>(0, kHighest32);
  relay.max_per_client = value.at("maxConnectionsPerClient").number_as<uint32_t>(0, kHighest32);
  value.members(4);
  return relay;
}

Backend read_backend(const PlanValue& value) {
  Backend backend{};
  const PlanValue service = value.at("service");
  backend.service = service.null() ? Backend::kOriginal : service.number_as<uint32_t>(0, kMaxServices - 1);
  backend.weight = value.at("weight").number_as<uint32_t>(0, kHeaviestBackend);
  value.members(2);
  return backend;
}

TlsSettings read_tls(const PlanValue& value, bool http) {
  using Version = TlsSettings::Version;
  TlsSettings tls;
  value.at("certificates").each([&](const PlanValue& each) {
    each.members(2);
    tls.certificates.push_back({each.at("certificate").text(), each.at("key").text()});
  });
  if (tls.certificates.empty()) value.at("certificates").wrong("one at least");
  tls.oldest = value.at("minVersion").one_of<Version>({{"1.2", Version::tls12}, {"1.3", Version::tls13}});
  tls.http = http;
  value.members(2);
  return tls;
}

std::shared_ptr<Listener> read_listener(const PlanValue& value) {
  auto listener = std::make_shared<Listener>();
  listener->id = value.at("id").number_as<uint32_t>(0, kMaxListeners - 1);
  listener->name = value.at("name").text();
  listener->addresses = read_addresses(value.at("addresses"));
  listener->port = value.at("port").number_as<uint16_t>(1, 0xffff);
  const PlanValue on = value.at("on");
  if (!on.null()) listener->on = read_port_id(on);
  listener->http = value.at("protocol").one_of<bool>({{"tcp", false}, {"http", true}});
  if (listener->http) {
    listener->http_settings = read_http_settings(value.at("http"));
  } else if (!value.at("http").null()) {
    value.at("http").wrong("null");
  }
  value.at("backends").each([&](const PlanValue& each) { listener->backends.push_back(read_backend(each)); });
  if (listener->http && !listener->backends.empty()) value.at("backends").wrong("an empty list");
  listener->relay = read_relay(value.at("relay"));
  const PlanValue trusted = value.at("trusted");
  listener->relay.expects_proxy_header = !trusted.null();
  if (!trusted.null()) trusted.each([&](const PlanValue& each) { listener->trusted.push_back(each.prefix()); });
  const bool secured = value.has("tls");
  if (secured) listener->tls = read_tls(value.at("tls"), listener->http);
  listener->relay.over_tls = listener->http_settings.over_tls = secured;
  const bool intercepts = value.has("within");
  if (intercepts) value.at("within").each([&](const PlanValue& each) { listener->within.push_back(each.prefix()); });
  value.members(10u + (intercepts ? 1 : 0) + (secured ? 1 : 0));
  return listener;
}

FlowTimeouts read_timeouts(const PlanValue& value) {
  const auto time = [&](const char* name) { return value.at(name).number_as<uint32_t>(1, kHighest32); };
  FlowTimeouts timeouts;
  timeouts.tcp_syn_sent = time("tcpSynSent");
  timeouts.tcp_syn_received = time("tcpSynReceived");
  timeouts.tcp_established = time("tcpEstablished");
  timeouts.tcp_fin_wait = time("tcpFinWait");
  timeouts.tcp_close_wait = time("tcpCloseWait");
  timeouts.tcp_last_ack = time("tcpLastAck");
  timeouts.tcp_time_wait = time("tcpTimeWait");
  timeouts.tcp_close = time("tcpClose");
  timeouts.udp = time("udp");
  timeouts.udp_assured = time("udpAssured");
  timeouts.icmp = time("icmp");
  timeouts.fragment = time("fragment");
  value.members(12);
  return timeouts;
}

FlowSettings read_flows(const PlanValue& value) {
  FlowSettings flows;
  flows.capacity = value.at("capacity").number_as<uint32_t>(1, FlowIndex::kMaxFlows);
  flows.adopt_midstream = value.at("midstream").one_of<bool>({{"adopt", true}, {"reject", false}});
  flows.track_all = value.at("track").one_of<bool>({{"all", true}, {"services", false}});
  flows.timeouts = read_timeouts(value.at("timeouts"));
  // Without it: the defaults.
  const bool has_roce = value.has("roce");
  if (has_roce) {
    const PlanValue roce = value.at("roce");
    flows.nak_alarm = roce.at("nakAlarm").number_as<uint32_t>(0, 1'000'000);
    flows.cnp_alarm = roce.at("cnpAlarm").number_as<uint32_t>(0, 1'000'000);
    roce.members(2);
  }
  value.members(has_roce ? 5 : 4);
  return flows;
}

template <typename T>
std::optional<std::vector<T>> read_changed(const PlanValue& value, T (*read)(const PlanValue&)) {
  if (value.null()) return std::nullopt;
  std::vector<T> all;
  value.each([&](const PlanValue& each) { all.push_back(read(each)); });
  return all;
}

std::optional<AccessLogSettings> read_access_log(const PlanValue& value) {
  if (value.null()) return std::nullopt;
  value.members(3);
  return AccessLogSettings{value.at("file").text(), value.at("format").text(), value.at("sample").share()};
}

Plan read(const PlanValue& value) {
  Plan plan;
  plan.generation = value.at("generation").number(0, kHighestGeneration);
  if (!value.at("base").null()) plan.base = value.at("base").number(0, kHighestGeneration);
  value.at("ports").each([&](const PlanValue& each) { plan.ports.push_back(read_port(each)); });
  plan.routes = read_changed(value.at("routes"), read_route);
  plan.workloads = read_changed(value.at("workloads"), read_workload);
  const PlanValue services = value.at("services");
  services.at("set").each([&](const PlanValue& each) { plan.services.set.push_back(read_service(each)); });
  services.at("removed").each(
      [&](const PlanValue& each) { plan.services.removed.push_back(each.number_as<uint32_t>(0, kMaxServices - 1)); });
  services.members(2);
  plan.listeners = read_changed(value.at("listeners"), read_listener);
  plan.http_routes = read_http_routes(value.at("httpRoutes"));
  plan.policies = read_policies(value.at("policies"));
  plan.access_log = read_access_log(value.at("accessLog"));
  plan.flows = read_flows(value.at("flows"));
  value.members(11);
  return plan;
}

/// Before it is parsed, whose stack is not for what is nested without end. (As the parser's callback it would look at
/// all elements of a list for each of them.)
void check_depth(std::string_view json) {
  int depth = 0;
  bool in_text = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_text) {
      if (c == '\\') ++i;  // what is escaped ends no text
      in_text = c != '"';
    } else if (c == '"') {
      in_text = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepest) malformed_plan("it is nested too deeply");
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

}  // namespace

Plan read_plan(std::string_view json) {
  try {
    check_depth(json);
    const Json parsed = Json::parse(json);
    return read(PlanValue(parsed));
  } catch (const Json::exception& error) {
    malformed_plan(error.what());
  }
}

}  // namespace flatproxy
