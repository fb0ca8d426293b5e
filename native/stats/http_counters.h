#pragma once

#include <array>

#include "http/outcome.h"
#include "http/parse_error.h"
#include "stats/counter.h"

namespace flatproxy {

/// What a lane counts of a listener's requests.
struct HttpCounters {
  Counter requests;                                 ///< that have begun; those that were refused count
  Counter active;                                   ///< now
  Counter retries;                                  ///< tries beside the first
  std::array<Counter, 5> statuses;                  ///< of responses to clients, by the first digit less one
  std::array<Counter, http::kOutcomes> outcomes;    ///< of requests that have ended
  std::array<Counter, http::kParseErrors> refused;  ///< messages, of clients and of servers
};

}  // namespace flatproxy
