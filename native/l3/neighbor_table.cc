#include "l3/neighbor_table.h"

#include <algorithm>
#include <cstring>

#include "packet/frame.h"

namespace flatproxy {
namespace {

bool unresolved(NeighborState state) { return state == NeighborState::incomplete || state == NeighborState::failed; }

}  // namespace

NeighborTable::NeighborTable(const HashKey& key)
    : key_(key), hops_(kMaxNeighbors), buckets_(kMaxNeighbors, kNoNeighbor), waiting_(kMaxQueued) {
  entries_.reserve(kMaxNeighbors);  // entries never move: actions may add some while one is being looked at
  for (uint16_t i = 0; i < kMaxQueued; ++i) waiting_[i] = {nullptr, static_cast<uint16_t>(i + 1)};
}

NeighborTable::~NeighborTable() {
  for (Neighbor& entry : entries_) {
    while (entry.queued != 0) release(unqueue(entry));
  }
}

uint32_t NeighborTable::bucket(uint16_t port, const wire::Address& address) const {
  return static_cast<uint32_t>(hash_end(address, port, 6, key_) % kMaxNeighbors);
}

NeighborIndex NeighborTable::find(uint16_t port, const wire::Address& address) const {
  NeighborIndex index = buckets_[bucket(port, address)];
  while (index != kNoNeighbor && (entries_[index].port != port || entries_[index].address != address)) {
    index = entries_[index].next;
  }
  return index;
}

NeighborIndex NeighborTable::find_or_create(uint16_t port, const wire::Address& address, Nanoseconds now,
                                            NeighborActions& actions) {
  const NeighborIndex known = find(port, address);
  if (known != kNoNeighbor) return known;
  if (unresolved_ >= kMaxUnresolved) return kNoNeighbor;
  const NeighborIndex index = create(port, address, now, actions.link(port));
  if (index == kNoNeighbor) return kNoNeighbor;
  enter(entries_[index], NeighborState::incomplete, now);
  solicit(entries_[index], now, actions);
  return index;
}

NeighborIndex NeighborTable::create(uint16_t port, const wire::Address& address, Nanoseconds now, const LinkEnd& link) {
  NeighborIndex index = free_;
  if (index != kNoNeighbor) {
    free_ = entries_[index].next;
  } else {
    if (entries_.size() == kMaxNeighbors) return kNoNeighbor;
    index = static_cast<NeighborIndex>(entries_.size());
    entries_.emplace_back();
  }
  Neighbor& entry = entries_[index];
  entry = Neighbor{};
  entry.address = address;
  entry.port = port;
  entry.mtu = link.mtu;
  NextHop& hop = hops_[index];
  hop = {.port = port, .used = now};
  std::memcpy(hop.macs + 6, link.mac.bytes.data(), 6);
  NeighborIndex& first = buckets_[bucket(port, address)];
  entry.next = first;
  first = index;
  ++in_use_;
  return index;
}

// The frames of the entry are gone by then.
void NeighborTable::forget(NeighborIndex index) {
  Neighbor& entry = entries_[index];
  NeighborIndex* link = &buckets_[bucket(entry.port, entry.address)];
  while (*link != index) link = &entries_[*link].next;
  *link = entry.next;
  enter(entry, NeighborState::free, 0);
  entry.next = free_;
  free_ = index;
  --in_use_;
}

void NeighborTable::enter(Neighbor& entry, NeighborState state, Nanoseconds now) {
  if (unresolved(entry.state)) --unresolved_;
  if (unresolved(state)) ++unresolved_;
  entry.state = state;
  entry.changed = now;
  entry.attempts = 0;
  NextHop& hop = hop_of(entry);
  std::memcpy(hop.macs, entry.mac.bytes.data(), 6);
  hop.mtu = entry.usable() ? entry.mtu : 0;
  if (state == NeighborState::reachable) entry.deadline = now + kReachableTime;
  if (state == NeighborState::failed) entry.deadline = now + kFailedTime;
}

void NeighborTable::solicit(Neighbor& entry, Nanoseconds now, NeighborActions& actions) {
  ++entry.attempts;
  entry.deadline = now + kRetryTime;
  actions.solicit(entry);
}

void NeighborTable::queue(NeighborIndex index, Segment* frame, NeighborActions& actions) {
  Neighbor& entry = entries_[index];
  if (entry.usable()) return actions.deliver(frame, index);
  if (entry.state != NeighborState::incomplete) return actions.fail(frame, Reason::neighbor_unresolved);
  Segment* displaced = entry.queued == kMaxQueuedPerNeighbor ? unqueue(entry) : nullptr;
  if (queued_ == kMaxQueued) return actions.fail(frame, Reason::neighbor_queue_full);
  const uint16_t slot = free_waiting_;
  free_waiting_ = waiting_[slot].next;
  waiting_[slot].frame = frame;
  (entry.queued == 0 ? entry.queue_first : waiting_[entry.queue_last].next) = slot;
  entry.queue_last = slot;
  ++entry.queued;
  ++queued_;
  if (displaced != nullptr) actions.fail(displaced, Reason::neighbor_queue_full);
}

Segment* NeighborTable::unqueue(Neighbor& entry) {
  const uint16_t slot = entry.queue_first;
  entry.queue_first = waiting_[slot].next;
  waiting_[slot].next = free_waiting_;
  free_waiting_ = slot;
  --entry.queued;
  --queued_;
  return waiting_[slot].frame;
}

void NeighborTable::learn(uint16_t port, const NeighborNews& news, Nanoseconds now, NeighborActions& actions) {
  NeighborIndex index = find(port, news.address);
  if (index == kNoNeighbor) {
    if (!news.create || news.mac.zero()) return;
    index = create(port, news.address, now, actions.link(port));
    if (index == kNoNeighbor) return;
    entries_[index].mac = news.mac;
    enter(entries_[index], NeighborState::stale, now);
  }
  Neighbor& entry = entries_[index];
  update(entry, news, now);
  while (entry.usable() && entry.queued != 0) actions.deliver(unqueue(entry), index);
}

// RFC 4861 sections 7.2.3 and 7.2.5.
void NeighborTable::update(Neighbor& entry, const NeighborNews& news, Nanoseconds now) {
  const bool told = !news.mac.zero();
  if (!entry.usable()) {
    if (!told) return;
    entry.mac = news.mac;
    enter(entry, news.solicited ? NeighborState::reachable : NeighborState::stale, now);
    return;
  }
  const bool differs = told && news.mac != entry.mac;
  if (differs && !news.override_known) {
    if (entry.state == NeighborState::reachable) enter(entry, NeighborState::stale, now);
    return;
  }
  if (differs) entry.mac = news.mac;
  if (news.solicited) {
    enter(entry, NeighborState::reachable, now);
  } else if (differs) {
    enter(entry, NeighborState::stale, now);
  }
}

bool NeighborTable::outlived(NeighborIndex index, Nanoseconds now) const {
  const Neighbor& entry = entries_[index];
  if (entry.state == NeighborState::failed) return now >= entry.deadline;
  return entry.state == NeighborState::stale && now >= std::max(hops_[index].used, entry.changed) + kIdleTime;
}

void NeighborTable::tick(Nanoseconds now, NeighborActions& actions) {
  const auto size = static_cast<uint32_t>(entries_.size());
  const uint32_t scanned = std::min(size, kScannedPerTick);
  // All that goes goes first, under one epoch, before any action can look an index up.
  bool forgotten = false;
  for (uint32_t i = 0; i < scanned; ++i) {
    const auto index = static_cast<NeighborIndex>((cursor_ + i) % size);
    if (!outlived(index, now)) continue;
    forget(index);
    forgotten = true;
  }
  if (forgotten) ++epoch_;
  for (uint32_t i = 0; i < scanned; ++i) expire(static_cast<NeighborIndex>((cursor_ + i) % size), now, actions);
  if (size != 0) cursor_ = (cursor_ + scanned) % size;
}

void NeighborTable::expire(NeighborIndex index, Nanoseconds now, NeighborActions& actions) {
  Neighbor& entry = entries_[index];
  const Nanoseconds used = hops_[index].used;
  if (entry.state == NeighborState::reachable && now >= entry.deadline) {
    const bool in_use = used > entry.changed;
    enter(entry, in_use ? NeighborState::probe : NeighborState::stale, now);
    if (in_use) solicit(entry, now, actions);
  } else if (entry.state == NeighborState::stale && used > entry.changed) {
    enter(entry, NeighborState::probe, now);
    solicit(entry, now, actions);
  } else if (entry.state == NeighborState::probe && now >= entry.deadline) {
    // Nobody answers there any more: it may have got another MAC.
    if (entry.attempts >= kMaxAttempts) enter(entry, NeighborState::incomplete, now);
    solicit(entry, now, actions);
  } else if (entry.state == NeighborState::incomplete && now >= entry.deadline) {
    if (entry.attempts < kMaxAttempts) return solicit(entry, now, actions);
    enter(entry, NeighborState::failed, now);
    while (entry.queued != 0) actions.fail(unqueue(entry), Reason::neighbor_unresolved);
  }
}

void NeighborTable::forget_port(uint16_t port, NeighborActions& actions) {
  ++epoch_;
  for (size_t i = 0; i < entries_.size(); ++i) {
    Neighbor& entry = entries_[i];
    if (entry.state == NeighborState::free || entry.port != port) continue;
    enter(entry, NeighborState::failed, 0);  // what actions try to send there meanwhile fails too
    while (entry.queued != 0) actions.fail(unqueue(entry), Reason::port_down);
    forget(static_cast<NeighborIndex>(i));
  }
  ++epoch_;
}

}  // namespace flatproxy
