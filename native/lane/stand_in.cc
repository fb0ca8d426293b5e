#include "lane/stand_in.h"

#include <variant>

#include "port/local_mac.h"
#include "port/memory.h"
#include "port/port_spec.h"

namespace flatproxy {
namespace {

constexpr uint16_t kNoLimit = 65'535;

/// What is known of a port before it is opened.
struct Describer {
  PortInfo info;

  PortInfo operator()(const TapSpec& spec) {
    info.mtu = spec.config.mtu;
    if (spec.config.name.find('%') != std::string::npos) return unknown(info.mtu);
    info.mac = local_mac(spec.config.netns + "/" + spec.config.name);
    return info;
  }
  PortInfo operator()(const MemorySpec& spec) {
    info.mtu = spec.mtu;
    return info;
  }
  PortInfo operator()(const PcapSpec&) {
    info.mtu = kNoLimit;
    return info;
  }
  PortInfo operator()(const IfaceSpec&) { return unknown(kNoLimit); }
  PortInfo operator()(const EthdevSpec&) { return unknown(kNoLimit); }
  PortInfo operator()(const HostSpec&) { return unknown(kNoLimit); }
  PortInfo operator()(const std::shared_ptr<const FaultSpec>& spec) { return std::visit(*this, spec->inner); }

 private:
  PortInfo unknown(uint16_t mtu) {
    info.mtu = mtu;
    info.takes_any_mac = true;
    return info;
  }
};

/// Stands for a port that is not open.
std::shared_ptr<Port> stand_in(uint16_t id, const std::string& name, const PortSpec& spec) {
  PortInfo info;
  info.id = id;
  info.name = name;
  info.mac = local_mac(name);
  return std::make_shared<MemoryPort>(std::visit(Describer{info}, spec), 1, MemoryOptions{.ring_size = 1});
}

}  // namespace

OpenedPort open_stand_in(uint16_t id, const std::string& name, const std::string& config) {
  const PortSpec spec = parse_port_spec(config);
  OpenedPort opened(stand_in(id, name, spec));
  if (has_host(spec)) opened.host = stand_in(id, name, HostSpec{});
  return opened;
}

std::shared_ptr<const Snapshot> build_shadow(std::string_view plan, const Snapshot& in_force) {
  auto shadow = std::make_shared<Snapshot>(*build_snapshot(plan, &in_force, open_stand_in));
  for (size_t id = 0; id < shadow->ports.size(); ++id) {
    PortEntry& entry = shadow->ports[id];
    if (entry.port == nullptr) continue;
    const OpenedPort stand_in = open_stand_in(static_cast<uint16_t>(id), entry.name, entry.config);
    entry.port = stand_in.port;
    entry.host = stand_in.host;
  }
  return shadow;
}

}  // namespace flatproxy
