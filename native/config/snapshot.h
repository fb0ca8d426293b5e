#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "classify/policy_table.h"
#include "classify/source_guard.h"
#include "config/access_log.h"
#include "config/address_set.h"
#include "config/listener_set.h"
#include "config/place_table.h"
#include "config/service.h"
#include "conntrack/flow_settings.h"
#include "l3/route_table.h"
#include "packet/port_id.h"
#include "port/port.h"
#include "route/table.h"
#include "wire/address.h"

namespace flatproxy {

/// What the mesh says of a port, beside the open port itself.
struct PortEntry {
  std::shared_ptr<Port> port;  ///< empty: no port has this id
  std::string name;
  std::string config;               ///< the plan's JSON: a port whose config is another is another port
  std::vector<wire::Prefix> found;  ///< addresses that it had by itself when it was opened
  std::vector<wire::Prefix> own;    ///< addresses of ours on it, with the prefix that is connected there
  std::shared_ptr<Port> host;       ///< the node's own stack behind this port (iface, take: 'all'); else empty
  uint16_t peer = kNoPort;          ///< the port that it is joined with: what comes by one leaves by the other
};

struct Workload {
  uint32_t id;
  std::string name;
  uint16_t port;
  std::vector<wire::Address> addresses;
};

/// The whole configuration, validated and compiled; immutable. Lanes swap to it between bursts. What does not change is
/// shared with the snapshot before.
struct Snapshot {
  uint64_t generation = 0;
  std::vector<PortEntry> ports;                          ///< by port id
  std::vector<std::shared_ptr<const Service>> services;  ///< by service id; holes are empty
  std::shared_ptr<const RouteTable> routes = std::make_shared<RouteTable>();
  std::shared_ptr<const std::vector<Workload>> workloads = std::make_shared<std::vector<Workload>>();
  std::shared_ptr<const ServiceTable> service_table = std::make_shared<ServiceTable>();
  std::shared_ptr<const EndpointTable> endpoint_table = std::make_shared<EndpointTable>();
  std::shared_ptr<const ListenerSet> listeners = std::make_shared<ListenerSet>();
  std::shared_ptr<const route::Table> http_routes = std::make_shared<route::Table>();
  std::shared_ptr<const PolicyTable> policies = std::make_shared<PolicyTable>();
  std::shared_ptr<const SourceGuard> sources = std::make_shared<SourceGuard>();      ///< which port workloads send by
  std::shared_ptr<const AddressSet> own_addresses = std::make_shared<AddressSet>();  ///< of ports, and virtual ones
  std::shared_ptr<const AddressSet> virtual_addresses = std::make_shared<AddressSet>();  ///< of services and listeners
  std::shared_ptr<const AccessLogSettings> access_log;                                   ///< nullptr: there is none
  FlowSettings flows;
  uint16_t node_port = kNoPort;  ///< the id by which routes name the node's own stack

  /// Whether the address is any port's own or a virtual one.
  bool ours(const wire::Address& address) const { return own_addresses->contains(address); }
  /// Whether the address is a service's or a listener's, whatever the port.
  bool is_virtual(const wire::Address& address) const { return virtual_addresses->contains(address); }
  /// Whether who is behind a port, host sides included, may send from an address.
  bool admits_source(uint16_t port, const wire::Address& source) const {
    return sources->admits(is_host_side(port) ? node_port : port, source, *routes);
  }
  /// The host side by which what came by a port leaves to the node's own stack, or kNoPort.
  uint16_t node_side(uint16_t port) const;
  /// The port of an id, host sides included; nullptr: there is none.
  Port* port(uint16_t id) const {
    const uint16_t index = id % kMaxPorts;
    if (index >= ports.size()) return nullptr;
    return is_host_side(id) ? ports[index].host.get() : ports[index].port.get();
  }
  /// The port that this one is joined with, or kNoPort.
  uint16_t peer(uint16_t id) const { return id < ports.size() ? ports[id].peer : kNoPort; }
  /// Whether what passes between joined ports is judged: there are policies, or workloads behind one of them.
  bool judges_links() const;
  /// The zone of what comes by a port, as Tuple's. @param vlan id of its VLAN tag, or 0
  uint16_t zone(uint16_t port, uint16_t vlan) const;
  /// The first own address of a port in the family (4 or 6), or nullptr.
  const wire::Address* own(uint16_t port, uint8_t family) const;
  /// The own address of a port to speak from to a neighbour there: one whose prefix holds the neighbour, else the first
  /// of its family, else nullptr.
  const wire::Address* own_towards(uint16_t port, const wire::Address& neighbor) const;
  /// The own address to speak from to a destination, as its route says; nullptr: no route, or no address of its family.
  const wire::Address* own_for(const wire::Address& destination) const;
};

}  // namespace flatproxy
