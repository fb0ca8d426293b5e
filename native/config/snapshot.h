#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "balance/picker.h"
#include "config/address_set.h"
#include "conntrack/flow_settings.h"
#include "l3/route_table.h"
#include "port/port.h"
#include "wire/address.h"

namespace flatproxy {

/// Limits that ids rest on; the mesh's checker enforces them with a problem that names them.
constexpr uint32_t kMaxPorts = 256;
constexpr uint32_t kMaxServices = 65536;
constexpr uint32_t kMaxEndpoints = 1u << 20;

/// Active health checking of a service's endpoints. Times in milliseconds.
struct HealthCheck {
  uint32_t interval = 5000;
  uint32_t timeout = 1000;
  uint16_t healthy = 2;    ///< successes in a row that make an endpoint healthy
  uint16_t unhealthy = 3;  ///< failures in a row that make it unhealthy
  double jitter = 0.1;     ///< share of the interval by which each probe is moved, at random
  bool operator==(const HealthCheck&) const = default;
};

struct Endpoint {
  uint32_t id;  ///< dense, stable while (service, address, port) lives
  wire::Address address;
  uint16_t port;
  uint16_t weight;
  bool drain;  ///< keeps its flows, gets no new ones
  std::string name;
};

/// A virtual address and what stands behind it. Immutable; shared by successive snapshots while it does not change.
struct Service {
  uint32_t id;
  std::string name;
  uint8_t protocol;  ///< 6 TCP, 17 UDP
  std::vector<wire::Address> addresses;
  uint16_t port;
  Balance balance = Balance::maglev;
  bool source_affinity = false;  ///< the endpoint depends on the client's address alone
  std::optional<HealthCheck> health_check;
  std::vector<Endpoint> endpoints;
  Picker picker_v4;  ///< over the endpoints of that family
  Picker picker_v6;
  const Picker& picker(uint8_t family) const { return family == 4 ? picker_v4 : picker_v6; }
};

/// What the mesh says of a port, beside the open port itself.
struct PortEntry {
  std::shared_ptr<Port> port;     ///< empty: no port has this id
  std::string config;             ///< the plan's JSON: a port whose config is another is another port
  std::vector<wire::Prefix> own;  ///< addresses of ours on it, with the prefix that is connected there
};

struct Workload {
  uint32_t id;
  std::string name;
  uint16_t port;
  std::vector<wire::Address> addresses;
};

/// Finds the service of a virtual address. Open addressing, built once, read by every lane.
class ServiceTable {
 public:
  ServiceTable() = default;
  explicit ServiceTable(const std::vector<std::shared_ptr<const Service>>& services);
  /// The service at (address, port, protocol), or nullptr.
  const Service* find(const wire::Address& address, uint16_t port, uint8_t protocol) const;
  bool empty() const { return count_ == 0; }

 private:
  struct Slot {
    const Service* service = nullptr;
    wire::Address address;
  };
  static uint64_t hash(const wire::Address& address, uint16_t port, uint8_t protocol);
  std::vector<Slot> slots_;
  size_t count_ = 0;
};

/// Which services have an endpoint at (address, port, protocol): what a reply in mid-stream may belong to.
class EndpointTable {
 public:
  struct Ref {
    const Service* service;
    uint32_t endpoint;  ///< index in it
  };
  EndpointTable() = default;
  explicit EndpointTable(const std::vector<std::shared_ptr<const Service>>& services);

  /// Calls visit(Ref) for each; returns how many there are.
  template <typename Visit>
  unsigned for_each(const wire::Address& address, uint16_t port, uint8_t protocol, Visit&& visit) const {
    unsigned found = 0;
    if (slots_.empty()) return 0;
    for (size_t i = hash(address, port, protocol) & (slots_.size() - 1); slots_[i].service != nullptr;
         i = (i + 1) & (slots_.size() - 1)) {
      const Endpoint& e = slots_[i].service->endpoints[slots_[i].endpoint];
      if (e.port != port || e.address != address || slots_[i].service->protocol != protocol) continue;
      ++found;
      visit(slots_[i]);
    }
    return found;
  }

 private:
  static uint64_t hash(const wire::Address& address, uint16_t port, uint8_t protocol);
  std::vector<Ref> slots_;
};

/// The whole configuration, validated and compiled; immutable. Lanes swap to it between bursts. What does not change is
/// shared with the snapshot before.
struct Snapshot {
  uint64_t generation = 0;
  std::vector<PortEntry> ports;                                            ///< by port id
  std::vector<std::shared_ptr<const Service>> services;                    ///< by service id; holes are empty
  std::shared_ptr<const RouteTable> routes = std::make_shared<RouteTable>();
  std::shared_ptr<const std::vector<Workload>> workloads = std::make_shared<std::vector<Workload>>();
  std::shared_ptr<const ServiceTable> service_table = std::make_shared<ServiceTable>();
  std::shared_ptr<const EndpointTable> endpoint_table = std::make_shared<EndpointTable>();
  std::shared_ptr<const AddressSet> own_addresses = std::make_shared<AddressSet>();      ///< of all ports and services
  std::shared_ptr<const AddressSet> service_addresses = std::make_shared<AddressSet>();
  FlowSettings flows;

  /// Whether the address is any port's own or any service's.
  bool ours(const wire::Address& address) const { return own_addresses->contains(address); }
  /// Whether the address is a service's, whatever the port.
  bool own_service_address(const wire::Address& address) const { return service_addresses->contains(address); }
  /// The first own address of a port in the family (4 or 6), or nullptr.
  const wire::Address* own(uint16_t port, uint8_t family) const;
  /// The own address of a port to speak from to a neighbour there: one whose prefix holds the neighbour, else the first
  /// of its family, else nullptr.
  const wire::Address* own_towards(uint16_t port, const wire::Address& neighbor) const;
};

}  // namespace flatproxy
