#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "config/snapshot.h"

namespace flatproxy {

/// What a plan says of services.
struct ServiceChanges {
  std::vector<std::shared_ptr<Service>> set;  ///< new ones and changed ones, without their pickers
  std::vector<uint32_t> removed;
};

/// Applies the changes to the services of `next` and to its tables. Services that are the same in `base` (may be null)
/// are taken from there, so that their pickers need not be built. Throws Error ERR_FLATPROXY_INTERNAL when the changes
/// contradict the services that are there or each other; `next` is of no use then.
void change_services(Snapshot& next, const Snapshot* base, ServiceChanges changes);

}  // namespace flatproxy
