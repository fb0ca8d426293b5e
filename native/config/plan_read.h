#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/access_log.h"
#include "config/http_route.h"
#include "config/plan_policies.h"
#include "config/service_build.h"
#include "config/snapshot.h"

namespace flatproxy {

struct PlannedPort {
  uint16_t id = 0;
  std::string name;
  std::optional<std::vector<wire::Prefix>> own;  ///< nothing: those that the port has by itself
  std::string config;                            ///< JSON
  std::optional<uint16_t> peer;                  ///< id of the port that it is joined with
};

/// A plan, read: ids and shapes are within their limits, addresses are addresses. What its parts say of each other and
/// of the snapshot before is not checked yet.
struct Plan {
  uint64_t generation = 0;
  std::optional<uint64_t> base;  ///< nothing: the plan is whole
  std::vector<PlannedPort> ports;
  std::optional<std::vector<Route>> routes;        ///< nothing: unchanged
  std::optional<std::vector<Workload>> workloads;  ///< nothing: unchanged
  ServiceChanges services;
  std::optional<std::vector<std::shared_ptr<Listener>>> listeners;  ///< nothing: unchanged
  std::optional<std::vector<HttpRoute>> http_routes;                ///< nothing: unchanged
  std::optional<PlannedPolicies> policies;                          ///< nothing: unchanged
  std::optional<AccessLogSettings> access_log;                      ///< nothing: there is none
  FlowSettings flows;
};

/// Reads the planner's JSON. Throws Error ERR_FLATPROXY_INTERNAL that names the first place that is not as it should
/// be.
Plan read_plan(std::string_view json);

}  // namespace flatproxy
