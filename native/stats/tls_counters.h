#pragma once

#include <array>

#include "stats/counter.h"
#include "tls/failure.h"

namespace flatproxy {

/// What a lane counts of a listener's connections over TLS.
struct TlsCounters {
  Counter handshakes;  ///< that were done
  Counter resumed;     ///< of them, by a ticket
  std::array<Counter, tls::kFailures> failures;
};

}  // namespace flatproxy
