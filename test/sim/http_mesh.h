#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "http_plan.h"

namespace flatproxy::sim {

/// What a simulation of HTTP is configured with: routes by the first letter of a path.
///   p  to the service 0, without conditions
///   r  likewise, with retries
///   t  likewise, with timeouts
///   w  to both services by weight, with one retry
/// The service 0 has the endpoints 0 to 3 at most, the service 1 the endpoint 4; hosts are 10.0.1.2 and on, and the
/// last one is a spare.
struct HttpMesh {
  static constexpr uint32_t kHosts = 6, kOther = 4, kSpare = 5;

  std::vector<uint32_t> hosts{0};  ///< of the endpoints of the service 0, by endpoint id
  uint32_t attempts = 1;           ///< of `r`, beside the first
  uint32_t max_connections = 0;    ///< to an endpoint
  uint32_t max_pending = 1024;
  uint32_t link_requests = 0;         ///< of a connection to an endpoint
  uint32_t client_requests = 0;       ///< of a client's connection
  uint32_t failures = 5;              ///< before an endpoint is passed over
  uint32_t request_timeout = 60'000;  ///< milliseconds, of `t`
  bool has_w = true;

  std::string services() const;
  std::string listeners() const;
  std::string routes() const;
  /// Tries of a request by a rule's leave, the first included.
  uint32_t tries_of(const HttpPlan& plan) const { return plan.route == 'r' ? 1 + attempts : plan.route == 'w' ? 2 : 1; }
};

}  // namespace flatproxy::sim
