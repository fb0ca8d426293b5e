#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "port/iface.h"
#include "port/impairment.h"
#include "port/pcap.h"
#include "port/tap.h"

namespace flatproxy {

struct TapSpec {
  TapConfig config;
  unsigned queues = 0;  ///< 0: one for each lane
};

struct IfaceSpec {
  IfaceConfig config;
  std::string netns;  ///< where the interface is: name, path or "": this process's own
};

struct EthdevSpec {
  std::string devargs;
};

struct PcapSpec {
  PcapFiles files;
};

struct MemorySpec {
  uint16_t mtu = 1500;  ///< bytes
};

/// The node's own stack, behind an `iface` port that takes all.
struct HostSpec {};

struct FaultSpec;

/// A port as a mesh describes it.
using PortSpec =
    std::variant<TapSpec, IfaceSpec, EthdevSpec, PcapSpec, MemorySpec, HostSpec, std::shared_ptr<const FaultSpec>>;

struct FaultSpec {
  PortSpec inner;
  Faults faults;
};

/// Reads a port's JSON out of a plan: the mesh's fields, durations in milliseconds. `own` is passed over, everything
/// else that is unknown, missing or of another type is refused.
/// @throws Error ERR_FLATPROXY_CONFIG; the message names the field
PortSpec parse_port_spec(std::string_view json);

/// Whether the node's own stack is behind the port.
bool has_host(const PortSpec& spec);

}  // namespace flatproxy
