#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "http_ledger.h"
#include "http_mesh.h"
#include "stats/http_counters.h"
#include "support/world.h"

namespace flatproxy::sim {

/// What all lanes of a node have counted of the listener's requests.
struct HttpCounts {
  uint64_t requests = 0;
  uint64_t active = 0;  ///< of routes and endpoints, too
  uint64_t retries = 0;
  uint64_t routed = 0;
  uint64_t route_retries = 0;
  uint64_t bytes_up = 0;
  uint64_t bytes_down = 0;
  uint64_t connections = 0;  ///< of clients and to endpoints, now
  std::array<uint64_t, 5> statuses{};
  std::array<uint64_t, http::kOutcomes> outcomes{};

  static HttpCounts of(test::World& node, unsigned lanes);
};

/// Whether the counts agree with each other, and with what clients and endpoints have seen.
std::optional<std::string> judge_counts(const HttpCounts& counts, const HttpLedger& ledger, const HttpMesh& mesh);

}  // namespace flatproxy::sim
