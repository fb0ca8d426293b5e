#pragma once

#include <array>

#include "stats/counter.h"
#include "stats/histogram.h"

namespace flatproxy {

/// What a lane counts of the exchanges of a route, or of the tries at an endpoint.
struct ExchangeCounters {
  Counter requests;                 ///< that have begun
  Counter active;                   ///< now
  Counter retries;                  ///< of a route: tries beside the first; of an endpoint: those that were tried again
  Counter failures;                 ///< that got no whole response, for which the endpoint is to blame
  Counter bytes_up;                 ///< of contents: from clients
  Counter bytes_down;               ///< to them
  std::array<Counter, 5> statuses;  ///< of responses, by the first digit less one
  Histogram latency;  ///< from a whole head, or the choice of the endpoint, to the last byte of the response

  void count_status(uint16_t status) { statuses[status / 100 - 1u].add(1); }
  void end() { active.set(active.read() - 1); }
};

}  // namespace flatproxy
