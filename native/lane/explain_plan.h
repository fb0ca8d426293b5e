#pragma once

#include <string_view>

#include "lane/explain.h"

namespace flatproxy {

/// What becomes of a packet under a whole plan, before anything has been carried. No port is opened: an `iface` has no
/// addresses but those of the plan. @throws Error as build_snapshot() and place() do
Explanation explain_plan(std::string_view plan, FirstPacket packet);

}  // namespace flatproxy
