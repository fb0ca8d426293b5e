#pragma once

#include "stats/counter.h"

namespace flatproxy {

/// What a lane counts of a policy that goes on.
struct PolicyCounters {
  Counter flows;             ///< that it matches: new ones, refused or not, and those that are judged anew
  Counter untold;            ///< of one that logs: flows of which nobody was told, though somebody listens
  Counter limited_packets;   ///< of one that limits: wire segments that were dropped
  Counter limited_bytes;     ///< likewise, of frames
  Counter mirrored_packets;  ///< of one that mirrors: wire segments of copies
  Counter mirror_lost;       ///< likewise, of copies that were not made
};

}  // namespace flatproxy
