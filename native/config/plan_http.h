#pragma once

#include <optional>
#include <vector>

#include "config/http_route.h"
#include "config/http_settings.h"
#include "config/plan_value.h"

namespace flatproxy {

/// A plan's `httpRoutes`; nothing: unchanged.
std::optional<std::vector<HttpRoute>> read_http_routes(const PlanValue& value);
/// `http` of a listener whose protocol is that.
HttpSettings read_http_settings(const PlanValue& value);
/// `http` of a service.
HttpPoolSettings read_http_pool(const PlanValue& value);

}  // namespace flatproxy
