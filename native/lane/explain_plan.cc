#include "lane/explain_plan.h"

#include "lane/stand_in.h"
#include "lane/start_view.h"

namespace flatproxy {

Explanation explain_plan(std::string_view plan, FirstPacket packet) {
  const auto snapshot = build_snapshot(plan, nullptr, open_stand_in);
  place(packet, *snapshot);
  const EndpointHealth health(kMaxEndpoints);
  StartView start(health);
  return explain(*snapshot, packet, start.view());
}

}  // namespace flatproxy
