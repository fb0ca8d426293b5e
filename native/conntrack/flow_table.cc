#include "conntrack/flow_table.h"

#include <cstring>

namespace flatproxy {
namespace {

wire::Address v4_address(uint32_t network_order) { return wire::Address::from_v4(&network_order); }

}  // namespace

const char* name(FlowState state) {
  static constexpr const char* kNames[] = {"syn_sent",   "syn_received", "established", "fin_wait",
                                           "close_wait", "last_ack",     "time_wait",   "close",
                                           "udp",        "udp_assured",  "icmp"};
  static_assert(std::size(kNames) == static_cast<size_t>(FlowState::count));
  return kNames[static_cast<size_t>(state)];
}

FlowTable::FlowTable(uint32_t capacity, const HashKey& key)
    : capacity_(capacity),
      key_(key),
      index_(capacity),
      hot_(capacity),
      cold_(capacity),
      addresses6_(capacity),
      unassured_(cold_.data()),
      assured_(cold_.data()) {}

bool FlowTable::matches_v6(FlowId id, const Tuple& t, Direction& direction) const {
  const FlowHot& f = hot_[id];
  if (f.protocol != t.protocol || (f.flags & (kFlowV6 | kFlowByLink)) != kFlowV6) return false;
  const FlowAddresses6& a = addresses6_[id];
  if (t.source == a.source && t.destination == a.destination && t.source_port == f.source_port &&
      t.destination_port == f.destination_port) {
    direction = kOriginal;
    return true;
  }
  direction = kReply;
  return t.destination == a.source && t.source == a.nat_address && t.destination_port == f.nat_source_port &&
         t.source_port == f.nat_port;
}

bool FlowTable::matches_in_zone(FlowId id, const Tuple& t, Direction& direction) const {
  if ((hot_[id].flags & kFlowByLink) == 0) return false;
  const Tuple known = original(id);
  direction = known == t ? kOriginal : kReply;
  return direction == kOriginal || known == t.reversed();
}

Tuple FlowTable::reply_to(const Tuple& tuple, const Translation& translation) {
  return {translation.destination, tuple.source,   translation.destination_port,
          translation.source_port, tuple.protocol, tuple.family};
}

FlowId FlowTable::open(const Tuple& t, uint64_t hash, const Translation* translation) {
  FlowId id = free_;
  if (id == kNoFlow) {
    if (fresh_ == capacity_) return kNoFlow;
    id = fresh_++;
  } else {
    free_ = cold_[id].next;
  }
  FlowHot& f = hot_[id];
  std::memset(&f, 0, sizeof(f));
  FlowCold& c = cold_[id];
  std::memset(&c, 0, sizeof(c));
  f.protocol = t.protocol;
  f.source_port = t.source_port;
  f.destination_port = t.destination_port;
  f.nat_port = translation != nullptr ? translation->destination_port : t.destination_port;
  f.nat_source_port = translation != nullptr ? translation->source_port : t.source_port;
  f.flags = kFlowInUse;
  if (t.zone != 0) {
    f.flags |= kFlowByLink;
    c.service_or_zone = t.zone;
  }
  const wire::Address& answers = translation != nullptr ? translation->destination : t.destination;
  if (t.family == 4) {
    f.source = t.source.v4();
    f.destination = t.destination.v4();
    f.nat_address = answers.v4();
  } else {
    f.flags |= kFlowV6;
    addresses6_[id] = {t.source, t.destination, answers};
  }
  bool indexed = index_.insert(hash, id);
  if (!indexed) crowded_ = hash;
  if (indexed && translation != nullptr) {
    f.flags |= kFlowTranslated;
    const uint64_t reply_hash = flow_hash(reply(id), key_);
    indexed = index_.insert(reply_hash, id);
    if (!indexed) {
      crowded_ = reply_hash;
      index_.remove(hash, id);
    }
  }
  if (!indexed) {
    f.flags = 0;
    c.next = free_;
    free_ = id;
    return kNoFlow;
  }
  ++used_;
  return id;
}

FlowId FlowTable::victim() const {
  if (full()) return unassured_.nearest();
  FlowId found = kNoFlow;
  index_.for_each_near(crowded_, [&](FlowId id) {
    if ((hot_[id].flags & kFlowAssured) == 0) found = id;
  });
  return found;
}

void FlowTable::close(FlowId id) {
  FlowHot& f = hot_[id];
  index_.remove(flow_hash(original(id), key_), id);
  if ((f.flags & kFlowTranslated) != 0) index_.remove(flow_hash(reply(id), key_), id);
  wheel(id).remove(id);
  f.flags = 0;
  cold_[id].next = free_;
  free_ = id;
  --used_;
}

Tuple FlowTable::original(FlowId id) const {
  const FlowHot& f = hot_[id];
  Tuple t;
  t.protocol = f.protocol;
  t.source_port = f.source_port;
  t.destination_port = f.destination_port;
  if ((f.flags & kFlowByLink) != 0) t.zone = static_cast<uint16_t>(cold_[id].service_or_zone);
  if ((f.flags & kFlowV6) != 0) {
    t.family = 6;
    t.source = addresses6_[id].source;
    t.destination = addresses6_[id].destination;
  } else {
    t.family = 4;
    t.source = v4_address(f.source);
    t.destination = v4_address(f.destination);
  }
  return t;
}

wire::Address FlowTable::nat_address(FlowId id) const {
  return (hot_[id].flags & kFlowV6) != 0 ? addresses6_[id].nat_address : v4_address(hot_[id].nat_address);
}

Tuple FlowTable::reply(FlowId id) const {
  Tuple t = original(id).reversed();
  t.source = nat_address(id);
  t.source_port = hot_[id].nat_port;
  t.destination_port = hot_[id].nat_source_port;
  return t;
}

void FlowTable::schedule(FlowId id, const StateTimeouts& timeouts) {
  wheel(id).add(id, hot_[id].last_seen + timeouts[static_cast<size_t>(hot_[id].state)]);
}

void FlowTable::assure(FlowId id, const StateTimeouts& timeouts) {
  unassured_.remove(id);
  hot_[id].flags |= kFlowAssured;
  schedule(id, timeouts);
}

void FlowTable::reschedule(FlowId id, const StateTimeouts& timeouts) {
  wheel(id).remove(id);
  schedule(id, timeouts);
}

FlowId FlowTable::take_expired(uint32_t now, const StateTimeouts& timeouts, unsigned& budget) {
  for (ExpiryWheel* wheel : {&unassured_, &assured_}) {
    while (budget > 0) {
      const FlowId id = wheel->take_due(now);
      if (id == kNoFlow) break;
      --budget;
      const uint32_t end = hot_[id].last_seen + timeouts[static_cast<size_t>(hot_[id].state)];
      // Taken out or not, the flow stays linked: close() expects it so.
      wheel->add(id, end);
      if (static_cast<int32_t>(now - end) >= 0) return id;
    }
  }
  return kNoFlow;
}

}  // namespace flatproxy
