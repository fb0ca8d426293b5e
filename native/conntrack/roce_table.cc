#include "conntrack/roce_table.h"

namespace flatproxy {

RoceTable::RoceTable(uint32_t capacity, const HashKey& secret)
    : capacity_(capacity), secret_(secret), index_(capacity), flows_(capacity), counts_(capacity) {}

FlowId RoceTable::open(const RoceKey& key, uint64_t hash, uint32_t now) {
  const FlowId id = free_ != kNoFlow ? free_ : fresh_;
  if (used_ == capacity_ || !index_.insert(hash, id)) return kNoFlow;
  if (id == free_) {
    free_ = flows_[id].next_request;
  } else {
    ++fresh_;
  }
  ++used_;
  flows_[id] = {};
  flows_[id].key = key;
  flows_[id].in_use = true;
  flows_[id].last_seen = now;
  counts_[id] = {{}, now, {}};
  return id;
}

FlowId RoceTable::victim(uint64_t hash, uint32_t now) {
  constexpr uint32_t kLooks = 16;
  FlowId found = kNoFlow;
  const auto consider = [&](FlowId id) {
    if (found == kNoFlow || now - flows_[id].last_seen > now - flows_[found].last_seen) found = id;
  };
  if (used_ < capacity_) {
    index_.for_each_near(hash, consider);
    return found;
  }
  for (uint32_t i = 0; i < kLooks; ++i) consider(next_place());
  return found;
}

void RoceTable::close(FlowId id) {
  RoceFlow& flow = flows_[id];
  index_.remove(roce_hash(flow.key, secret_), id);
  flow.in_use = false;
  flow.next_request = free_;
  free_ = id;
  --used_;
}

FlowId RoceTable::take_idle(uint32_t now, uint32_t& budget) {
  for (; budget > 0 && used_ > 0; --budget) {
    const FlowId id = next_place();
    if (flows_[id].in_use && now - flows_[id].last_seen >= kIdle) return id;
  }
  budget = 0;
  return kNoFlow;
}

FlowId RoceTable::next_place() {
  const FlowId id = cursor_;
  cursor_ = cursor_ + 1 < fresh_ ? cursor_ + 1 : 0;
  return id;
}

}  // namespace flatproxy
