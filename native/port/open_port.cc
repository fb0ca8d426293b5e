#include "port/open_port.h"

#include "packet/error.h"
#include "port/ethdev.h"
#include "port/fault.h"
#include "port/local_mac.h"
#include "port/memory.h"
#include "port/netns.h"

namespace flatproxy {
namespace {

/// The largest IP packet that a capture can hold: it has no wire that could be narrower.
constexpr uint16_t kLargestMtu = 65'535;

PortInfo describe(uint16_t id, const std::string& name) {
  PortInfo info;
  info.id = id;
  info.name = name;
  info.mac = local_mac(name);
  return info;
}

struct Opener {
  PortInfo info;
  unsigned lanes;

  OpenedPorts operator()(const TapSpec& spec) {
    if (spec.queues != 0 && spec.queues != lanes) {
      throw Error("ERR_FLATPROXY_UNSUPPORTED",
                  "port " + info.name + ": a tap with " + std::to_string(spec.queues) + " queues needs as many lanes",
                  "leave `queues` out, or start with " + std::to_string(spec.queues) + " lanes");
    }
    return {.port = open_tap(info, spec.config, lanes)};
  }

  OpenedPorts operator()(const IfaceSpec& spec) {
    PortInfo host = describe(info.id, "host");
    IfacePorts ports;
    in_netns(spec.netns, [&] { ports = open_iface(info, host, spec.config, lanes); });
    return {ports.wire, ports.host, ports.claims, ports.kernel_addresses};
  }

  OpenedPorts operator()(const EthdevSpec& spec) { return {.port = open_ethdev(info, spec.devargs, lanes)}; }

  OpenedPorts operator()(const PcapSpec& spec) {
    info.mtu = kLargestMtu;
    return {.port = std::make_shared<PcapPort>(info, spec.files, lanes)};
  }

  OpenedPorts operator()(const MemorySpec& spec) {
    info.mtu = spec.mtu;
    return {.port = std::make_shared<MemoryPort>(info, lanes)};
  }

  OpenedPorts operator()(const HostSpec&) {
    throw Error("ERR_FLATPROXY_UNSUPPORTED", "the node's own stack is reached through an iface port that takes all",
                "add one (take: 'all'); on a running proxy, start it again");
  }

  OpenedPorts operator()(const std::shared_ptr<const FaultSpec>& spec) {
    OpenedPorts opened = std::visit(*this, spec->inner);
    opened.port = std::make_shared<FaultPort>(opened.port, lanes, spec->faults);
    return opened;
  }
};

}  // namespace

OpenedPorts open_port(uint16_t id, const std::string& name, const PortSpec& spec, unsigned lanes) {
  return std::visit(Opener{describe(id, name), lanes}, spec);
}

OpenPort port_opener(unsigned lanes, std::function<void(const OpenedPorts&)> opened) {
  return
      [lanes, told = std::move(opened)](uint16_t id, const std::string& name, const std::string& config) -> OpenedPort {
        const OpenedPorts ports = open_port(id, name, parse_port_spec(config), lanes);
        told(ports);
        OpenedPort port(ports.port, ports.addresses);
        port.host = ports.host;
        return port;
      };
}

}  // namespace flatproxy
