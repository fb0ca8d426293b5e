#pragma once

#include <string_view>

#include "classify/policy.h"

namespace flatproxy {

/// The first condition of a policy that a flow does not meet, its subject apart, as its field in the mesh is called:
/// from or to, ports, on, vlan; empty: it meets all. For who asks why, not for packets.
std::string_view misfit(const PolicySet& set, const Policy& policy, const PolicyKey& key);

}  // namespace flatproxy
