#include "lane/stand_in.h"

#include "port/memory.h"
#include "port/port_spec.h"

namespace flatproxy {
namespace {

std::shared_ptr<Port> stand_in(uint16_t id, const std::string& name) {
  PortInfo info;
  info.id = id;
  info.name = name;
  return std::make_shared<MemoryPort>(info, 1, MemoryOptions{.ring_size = 1});
}

}  // namespace

OpenedPort open_stand_in(uint16_t id, const std::string& name, const std::string& config) {
  OpenedPort opened(stand_in(id, name));
  if (has_host(parse_port_spec(config))) opened.host = stand_in(id, name);
  return opened;
}

std::shared_ptr<const Snapshot> build_shadow(std::string_view plan, const Snapshot& in_force) {
  auto shadow = std::make_shared<Snapshot>(*build_snapshot(plan, &in_force, open_stand_in));
  for (size_t id = 0; id < shadow->ports.size(); ++id) {
    PortEntry& entry = shadow->ports[id];
    if (entry.port != nullptr) entry.port = stand_in(static_cast<uint16_t>(id), entry.name);
    if (entry.host != nullptr) entry.host = stand_in(static_cast<uint16_t>(id), entry.name);
  }
  return shadow;
}

}  // namespace flatproxy
