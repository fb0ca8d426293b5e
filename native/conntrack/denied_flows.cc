#include "conntrack/denied_flows.h"

namespace flatproxy {
namespace {

bool same_flow(const FlowRecord& a, const FlowRecord& b) {
  return a.original == b.original && a.ingress == b.ingress && a.reason == b.reason;
}

}  // namespace

void DeniedFlows::add(const FlowRecord& refused, uint32_t now) {
  Entry* set = set_of(flow_hash(refused.original, key_));
  Entry* place = set;
  for (Entry* entry = set; entry != set + kWays; ++entry) {
    if (entry->in_use && same_flow(entry->flow, refused)) {
      entry->flow.packets[kOriginal] += refused.packets[kOriginal];
      entry->flow.bytes[kOriginal] += refused.bytes[kOriginal];
      entry->flow.last_seen = now;
      return;
    }
    const bool quieter = entry->in_use && now - entry->flow.last_seen > now - place->flow.last_seen;
    if (place->in_use && (!entry->in_use || quieter)) place = entry;
  }
  if (place->in_use) end(*place);
  *place = {refused, true};
  place->flow.opened_at = place->flow.last_seen = now;
  ++in_use_;
  listener_.flow_denied(place->flow);
}

void DeniedFlows::end(Entry& entry) {
  entry.in_use = false;
  --in_use_;
  listener_.denied_flow_over(entry.flow);
}

void DeniedFlows::expire(uint32_t now, uint32_t sets) {
  for (; sets > 0 && in_use_ > 0; --sets) {
    Entry* set = set_of(cursor_++);
    for (Entry* entry = set; entry != set + kWays; ++entry) {
      if (entry->in_use && now - entry->flow.last_seen >= kIdle) end(*entry);
    }
  }
}

void DeniedFlows::clear() {
  for (uint32_t i = 0; i < kSets * kWays && in_use_ > 0; ++i) {
    if (entries_[i].in_use) end(entries_[i]);
  }
}

}  // namespace flatproxy
