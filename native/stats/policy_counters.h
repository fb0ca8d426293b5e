#pragma once

#include "stats/counter.h"

namespace flatproxy {

/// What a lane counts of a policy that goes on.
struct PolicyCounters {
  Counter flows;   ///< that it matches: new ones, refused or not, and those that are judged anew
  Counter untold;  ///< of one that logs: flows of which nobody was told, though somebody listens
};

}  // namespace flatproxy
