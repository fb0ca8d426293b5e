#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "balance/picker.h"
#include "config/affinity_table.h"
#include "config/http_settings.h"
#include "wire/address.h"

namespace flatproxy {

/// Limits that ids rest on; the mesh's checker enforces them with a problem that names them.
constexpr uint32_t kMaxServices = 65536;
constexpr uint32_t kMaxEndpoints = 1u << 20;

/// Active health checking of a service's endpoints. Times in milliseconds.
struct HealthCheck {
  uint32_t interval = 5000;
  uint32_t timeout = 1000;
  uint16_t healthy = 2;    ///< successes in a row that make an endpoint healthy
  uint16_t unhealthy = 3;  ///< failures in a row that make it unhealthy
  double jitter = 0.1;     ///< share of the interval by which each probe is moved, at random
  bool operator==(const HealthCheck&) const = default;
};

struct Endpoint {
  static constexpr uint32_t kNone = ~0u;  ///< no id
  uint32_t id;                            ///< dense, stable while (service, address, port) lives
  wire::Address address;
  uint16_t port;
  uint16_t weight;
  bool drain;  ///< keeps its flows, gets no new ones
  std::string name;
  bool operator==(const Endpoint&) const = default;
};

/// A virtual address and what stands behind it. Immutable; shared by successive snapshots while it does not change.
struct Service {
  uint32_t id;
  std::string name;
  uint8_t protocol;  ///< 6 TCP, 17 UDP
  std::vector<wire::Address> addresses;
  uint16_t port;
  Balance balance = Balance::maglev;
  bool source_affinity = false;  ///< the endpoint depends on the client's address alone
  std::optional<HealthCheck> health_check;
  uint32_t max_connections = 0;  ///< that listeners open to one endpoint, at most; 0: no limit
  uint8_t proxy_header = 0;      ///< version of the PROXY header that those begin with; 0: none
  bool from_client = false;      ///< those come from the client's address, not from ours
  HttpPoolSettings http;
  std::vector<Endpoint> endpoints;
  Picker picker_v4;  ///< over the endpoints of that family
  Picker picker_v6;
  AffinityTable affinity;  ///< all endpoints, if there is a cookie that names them
  const Picker& picker(uint8_t family) const { return family == 4 ? picker_v4 : picker_v6; }
};

}  // namespace flatproxy
