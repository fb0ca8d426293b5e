// Plans of any bytes: refused with an Error, or taken; then the same bytes as the next plan on top. The first byte says
// which plan is in force before.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "config/plan.h"
#include "packet/error.h"

namespace {

using namespace flatproxy;

class StubPort : public Port {
 public:
  explicit StubPort(PortInfo info) : Port(std::move(info)) {}
  PortQueue& queue(unsigned) override { std::abort(); }
};

constexpr std::string_view kInForce =
    R"({"generation":1,"base":null,"ports":[{"id":0,"name":"a","own":["10.0.0.1/24"],"config":{"type":"memory"}}],)"
    R"("flows":{"capacity":64,"midstream":"adopt","track":"all","timeouts":{"tcpSynSent":1,"tcpSynReceived":1,)"
    R"("tcpEstablished":1,"tcpFinWait":1,"tcpCloseWait":1,"tcpLastAck":1,"tcpTimeWait":1,"tcpClose":1,"udp":1,)"
    R"("udpAssured":1,"icmp":1,"fragment":1}},"routes":[{"to":"10.0.0.0/24","port":0}],"workloads":[],"listeners":[],"httpRoutes":[],"policies":{"default":"allow","selectors":[],"rules":[]},"accessLog":null,"services":)"
    R"({"set":[{"id":0,"name":"s","protocol":"tcp","addresses":["10.9.0.1"],"port":80,"balance":"maglev",)"
    R"("affinity":"none","healthCheck":null,"maxConnections":0,"proxyProtocol":"none",)"
    R"("http":{"maxPending":1,"idleTimeout":1,"maxRequests":0,"affinityCookie":null,"hash":null,"eject":{"failures":1,"for":1}},)"
    R"("endpoints":[{"id":0,"address":"10.0.0.9","port":80,"weight":1,)"
    R"("drain":false,"name":"e"}]}],"removed":[]}})";

std::shared_ptr<const Snapshot> build(std::string_view plan, const Snapshot* base) {
  return build_snapshot(plan, base, [](uint16_t id, const std::string& name, const std::string&) {
    if (name == "refused") throw Error("ERR_FLATPROXY_PORT", "refused");
    PortInfo info;
    info.id = id;
    info.name = name;
    return OpenedPort(std::make_shared<StubPort>(std::move(info)), {wire::Prefix{{}, 0}});
  });
}

/// What lanes rely on.
void check(const Snapshot& snapshot) {
  for (const auto& service : snapshot.services) {
    if (service == nullptr) continue;
    for (const auto& address : service->addresses) {
      if (snapshot.service_table->find(address, service->port, service->protocol) != service.get()) std::abort();
    }
    for (const Endpoint& endpoint : service->endpoints) {
      const auto none = [](EndpointTable::Ref) {};
      if (snapshot.endpoint_table->for_each(endpoint.address, endpoint.port, service->protocol, none) == 0)
        std::abort();
    }
  }
  for (const auto& listener : snapshot.listeners->by_id()) {
    if (listener == nullptr) continue;
    for (const auto& address : listener->addresses) {
      if (snapshot.listeners->find(address, listener->port, listener->on) == nullptr) std::abort();
    }
    for (const Backend& backend : listener->backends) {
      if (snapshot.services.at(backend.service) == nullptr) std::abort();
    }
  }
  http::RequestHead head;
  head.method_name = "GET";
  head.fields.add("X-Version", "2", http::FieldId::other);
  for (const HttpRoute& route : snapshot.http_routes->routes()) {
    for (const auto& at : route.listeners) {
      if (!snapshot.listeners->at(at.listener)->http) std::abort();
      for (const auto& rule : route.rules) {
        for (const HttpMatch& match : rule.matches)
          snapshot.http_routes->find(at.listener, {at.hostname, match.path, "q=1", head});
        for (const HttpBackend& backend : rule.rule.backends) {
          if (snapshot.services.at(backend.service) == nullptr) std::abort();
        }
      }
    }
  }
  for (const Route& route : snapshot.routes->routes()) {
    if (route.port >= snapshot.ports.size() || snapshot.ports[route.port].port == nullptr) std::abort();
    if (snapshot.routes->lookup(route.to.address) == nullptr) std::abort();
  }
}

std::shared_ptr<const Snapshot> try_build(std::string_view plan, const Snapshot* base) {
  try {
    auto snapshot = build(plan, base);
    check(*snapshot);
    return snapshot;
  } catch (const Error&) {
    return nullptr;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view plan(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto in_force = (data[0] & 1) != 0 ? build(kInForce, nullptr) : nullptr;
  const auto next = try_build(plan, in_force.get());
  if (next != nullptr) try_build(plan, next.get());
  return 0;
}
