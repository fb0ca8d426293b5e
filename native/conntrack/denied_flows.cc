#include "conntrack/denied_flows.h"

namespace flatproxy {
namespace {

bool same_flow(const FlowRecord& a, const FlowRecord& b) {
  return a.original == b.original && a.qp == b.qp && a.ingress == b.ingress && a.reason == b.reason;
}

void add_classes(RoceCounts& to, const RoceCounts& more) {
  for (size_t i = 0; i < wire::kRoceClasses; ++i) {
    to.classes[i].packets += more.classes[i].packets;
    to.classes[i].bytes += more.classes[i].bytes;
  }
}

}  // namespace

bool DeniedFlows::add(const FlowRecord& refused, uint32_t now) {
  const uint64_t hash = flow_hash(refused.original, key_) + refused.qp * key_.words[0];
  const auto first = static_cast<uint32_t>(hash % kSets) * kWays;
  const auto tag = static_cast<uint32_t>(hash >> 32) | 1;
  for (uint32_t place = first; place < first + kWays; ++place) {
    FlowRecord& flow = flows_[place];
    if (tags_[place] != tag || !same_flow(flow, refused)) continue;
    flow.packets[kOriginal] += refused.packets[kOriginal];
    flow.bytes[kOriginal] += refused.bytes[kOriginal];
    if (refused.roce) add_classes(flow.roce_counts, refused.roce_counts);
    flow.last_seen = now;
    return false;
  }
  const uint32_t place = quiet_place(first, now);
  if (tags_[place] != 0) end(place);
  tags_[place] = tag;
  flows_[place] = refused;
  flows_[place].opened_at = flows_[place].last_seen = now;
  ++in_use_;
  listener_.flow_denied(flows_[place]);
  return true;
}

/// A free one, or the one whose flow has been quiet for longest.
uint32_t DeniedFlows::quiet_place(uint32_t first, uint32_t now) const {
  uint32_t found = first;
  for (uint32_t place = first; place < first + kWays; ++place) {
    if (tags_[place] == 0) return place;
    if (now - flows_[place].last_seen > now - flows_[found].last_seen) found = place;
  }
  return found;
}

void DeniedFlows::end(uint32_t place) {
  tags_[place] = 0;
  --in_use_;
  listener_.denied_flow_over(flows_[place]);
}

void DeniedFlows::expire(uint32_t now, uint32_t sets, uint32_t idle) {
  for (; sets > 0 && in_use_ > 0; --sets) {
    const uint32_t first = next_set_ * kWays;
    next_set_ = (next_set_ + 1) % kSets;
    for (uint32_t place = first; place < first + kWays; ++place) {
      if (tags_[place] != 0 && now - flows_[place].last_seen >= idle) end(place);
    }
  }
}

}  // namespace flatproxy
