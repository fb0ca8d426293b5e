#include "lane/explain_plan.h"

#include "lane/stand_in.h"
#include "lane/start_view.h"

namespace flatproxy {

Explanation explain_plan(std::string_view plan, FirstPacket packet) {
  const auto snapshot = build_snapshot(plan, nullptr, open_stand_in);
  packet.port = placed(packet.port, *snapshot);
  const EndpointHealth health(kMaxEndpoints);
  StartView start(health);
  return explain(*snapshot, packet, start.view());
}

FrameExplanation explain_plan(std::string_view plan, uint16_t port, FrameInHand& frame) {
  const auto snapshot = build_snapshot(plan, nullptr, open_stand_in);
  const EndpointHealth health(kMaxEndpoints);
  StartView start(health);
  return explain_frame(*snapshot, placed(port, *snapshot), frame, start.view(), nullptr);
}

}  // namespace flatproxy
