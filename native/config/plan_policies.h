#pragma once

#include <optional>
#include <vector>

#include "classify/policy.h"
#include "config/plan_value.h"
#include "config/snapshot.h"

namespace flatproxy {

/// Who is meant, as a plan has it: workloads by their ids, or addresses.
struct PlannedSelector {
  bool every_workload = false;
  std::vector<uint32_t> workloads;
  Selector addresses;
};

/// A plan's `policies`: places of selectors are within bounds, ranges of ports are ranges.
struct PlannedPolicies {
  bool deny_by_default = false;
  bool keeps_running = false;
  std::vector<PlannedSelector> selectors;
  std::vector<Policy> policies;
};

/// A plan's `policies`; nothing: unchanged.
std::optional<PlannedPolicies> read_policies(const PlanValue& value);

/// With the workloads' addresses in place of their ids, and with Policy::kNodesStack in place of `node`, the id by
/// which the plan names the node's own stack. Throws Error ERR_FLATPROXY_INTERNAL where there is no such workload.
PolicySet resolve_policies(PlannedPolicies planned, const std::vector<Workload>& workloads, uint16_t node);

}  // namespace flatproxy
