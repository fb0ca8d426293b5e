#include "lane/explain_plan.h"

#include <memory>
#include <string>

#include "config/plan.h"
#include "port/memory.h"
#include "port/port_spec.h"

namespace flatproxy {
namespace {

/// Stands for a port that is not open.
std::shared_ptr<Port> stand_in(uint16_t id, const std::string& name) {
  PortInfo info;
  info.id = id;
  info.name = name;
  return std::make_shared<MemoryPort>(info, 1, MemoryOptions{.ring_size = 1});
}

OpenedPort stand_in_for(uint16_t id, const std::string& name, const std::string& config) {
  OpenedPort opened(stand_in(id, name));
  if (has_host(parse_port_spec(config))) opened.host = stand_in(id, name);
  return opened;
}

}  // namespace

Explanation explain_plan(std::string_view plan, FirstPacket packet) {
  const auto snapshot = build_snapshot(plan, nullptr, stand_in_for);
  place(packet, *snapshot);
  return explain_at_start(*snapshot, packet);
}

}  // namespace flatproxy
