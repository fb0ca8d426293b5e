#pragma once

#include <string_view>

#include "lane/explain.h"
#include "lane/explain_frame.h"

namespace flatproxy {

/// What becomes of a packet under a whole plan, before anything has been carried. No port is opened: an `iface` has no
/// addresses but those of the plan. @throws Error as build_snapshot() and placed() do
Explanation explain_plan(std::string_view plan, FirstPacket packet);
/// The same of a frame that comes by a port. What an `iface` or an `ethdev` has is not known: frames to any MAC are for
/// it, and none is too big to leave by it.
FrameExplanation explain_plan(std::string_view plan, uint16_t port, FrameInHand& frame);

}  // namespace flatproxy
