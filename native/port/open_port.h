#pragma once

#include <functional>

#include "config/plan.h"
#include "port/port_spec.h"

namespace flatproxy {

/// A port that was opened, with what came with it.
struct OpenedPorts {
  std::shared_ptr<Port> port;
  std::shared_ptr<Port> host = {};           ///< iface with take all: the node's own stack
  IfaceClaims* claims = nullptr;             ///< iface with take matched: what it takes; lives as long as `port`
  std::vector<wire::Prefix> addresses = {};  ///< iface: the interface's own
};

/// Opens a port of any type but `host`. The buffers of the lanes must outlive it.
/// @throws Error as the port's own type does
OpenedPorts open_port(uint16_t id, const std::string& name, const PortSpec& spec, unsigned lanes);

/// Opens the ports of one plan, by their JSON. The port `host` is the node's own stack behind the first of the plan's
/// `iface` ports that takes all. @param opened told of each port
OpenPort port_opener(
    unsigned lanes, std::function<void(const OpenedPorts&)> opened = [](const OpenedPorts&) {});

}  // namespace flatproxy
