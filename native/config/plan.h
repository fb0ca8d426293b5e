#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "config/snapshot.h"

namespace flatproxy {

/// Opens a port that a plan names for the first time. @param config its JSON in the mesh. Throws Error.
using OpenPort =
    std::function<std::shared_ptr<Port>(uint16_t id, const std::string& name, const std::string& config)>;

/// Builds a snapshot from a plan: the mesh's JSON after it was checked, with names resolved to ids. What the plan leaves
/// out is shared with `base` (null: the plan is whole). Ports that exist already are kept; a changed port is refused.
/// Throws Error; nothing is changed then, and ports that were opened on the way are closed.
std::shared_ptr<const Snapshot> build_snapshot(std::string_view plan, const Snapshot* base, const OpenPort& open);

}  // namespace flatproxy
