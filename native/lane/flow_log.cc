#include "lane/flow_log.h"

namespace flatproxy {

void FlowLog::tell(const PolicySet& set, const PolicyPlaces& logs, const FlowRecord& flow, Nanoseconds now) {
  const bool heard = shared_.want_events.load(std::memory_order_relaxed);
  for (const uint32_t place : logs) {
    PolicyCounters& counters = counters_.policies.at(set.policies[place].counter);
    counters.flows.add(1);
    if (!heard) continue;
    const bool told = rest_.take(now) && events_.push({FlowEventKind::logged, flow, place});
    if (!told) counters.untold.add(1);
  }
}

}  // namespace flatproxy
