#pragma once

#include <cstdint>

#include "classify/policy_table.h"
#include "conntrack/flow_record.h"
#include "lane/event_ring.h"
#include "lane/shared.h"
#include "packet/token_bucket.h"
#include "stats/lane_counters.h"

namespace flatproxy {

/// Tells of the flows of a lane that policies log, if somebody listens: a bounded number a second, lest they leave no
/// room for other events.
class FlowLog {
 public:
  static constexpr uint32_t kPerSecond = 1000;
  static constexpr uint32_t kBurst = 1000;

  FlowLog(const LaneShared& shared, LaneCounters& counters, EventRing& events)
      : shared_(shared), counters_(counters), events_(events) {}

  /// @param logs policies of the set, each of which counts the flow, and tells of it
  void tell(const PolicySet& set, const PolicyPlaces& logs, const FlowRecord& flow, Nanoseconds now);

 private:
  const LaneShared& shared_;
  LaneCounters& counters_;
  EventRing& events_;
  TokenBucket rest_{kPerSecond, kBurst};
};

}  // namespace flatproxy
