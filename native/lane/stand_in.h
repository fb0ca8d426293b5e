#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "config/plan.h"

namespace flatproxy {

/// Opens, for build_snapshot(), what stands for a port that is not open: an `iface` has no addresses but those of the
/// plan. Where the MAC is not known before a port is opened, all are for it, and where the MTU is not, there is none.
OpenedPort open_stand_in(uint16_t id, const std::string& name, const std::string& config);

/// What a plan would make of a snapshot in force: with stand-ins for all of its ports, so that it keeps none open.
/// @throws Error as build_snapshot() does
std::shared_ptr<const Snapshot> build_shadow(std::string_view plan, const Snapshot& in_force);

}  // namespace flatproxy
