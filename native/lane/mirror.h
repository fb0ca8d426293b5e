#pragma once

#include <cstdint>

#include "classify/policy_table.h"
#include "config/snapshot.h"
#include "lane/egress.h"
#include "packet/buffers.h"
#include "packet/burst.h"
#include "stats/lane_counters.h"

namespace flatproxy {

/// Sends copies of packets to ports that mirror them, a bounded number in a burst. The originals do not wait for them.
class Mirror {
 public:
  static constexpr uint32_t kCopies = Burst::kSize;  ///< in a burst
  static constexpr uint32_t kBytes = 256 << 10;      ///< likewise

  Mirror(Buffers& buffers, Egress& egress, LaneCounters& counters)
      : buffers_(buffers), egress_(egress), counters_(counters) {}

  void begin_burst() {
    copies_left_ = kCopies;
    bytes_left_ = kBytes;
  }
  /// Copies a packet as it came to where the policies say; not what came by a port of a mirror.
  void copy(const Snapshot& snapshot, const PolicyPlaces& mirrors, const Segment* frame);

 private:
  Segment* copy_for(const Snapshot& snapshot, const PolicyMirror& mirror, const Segment* frame);

  Buffers& buffers_;
  Egress& egress_;
  LaneCounters& counters_;
  uint32_t copies_left_ = 0;
  uint32_t bytes_left_ = 0;
};

}  // namespace flatproxy
