#include "lane/flow_stage.h"

#include <algorithm>

#include "conntrack/translate.h"
#include "lane/frame_kinds.h"
#include "packet/frame.h"
#include "wire/embedded.h"
#include "wire/protocol.h"
#include "wire/roce.h"
#include "wire/tuple_of.h"

namespace flatproxy {
namespace {

/// What one slice of expire_some() and the like looks at: less than a ring of events holds.
constexpr uint32_t kFlowsPerSlice = 1024;
constexpr uint32_t kDeniedSetsPerSlice = kFlowsPerSlice / DeniedFlows::kWays;
static_assert(kFlowsPerSlice < EventRing::kSize && DeniedFlows::kSets % kDeniedSetsPerSlice == 0);

}  // namespace

FlowStage::FlowStage(unsigned lane, LaneShared& shared, LaneCounters& counters, Egress& egress, Gateway& gateway,
                     uint32_t capacity)
    : lane_(lane),
      shared_(shared),
      counters_(counters),
      egress_(egress),
      gateway_(gateway),
      conntrack_(capacity, shared.key, *this),
      fragments_(shared.key),
      denied_(shared.key, *this),
      log_(shared, counters, events_),
      limits_(shared.lanes(), shared.buckets_of_policies),
      mirror_(*shared.buffers[lane], egress, counters),
      duties_(capacity),
      next_in_turn_(kMaxServices),
      open_flows_(kMaxEndpoints),
      passed_over_until_(kMaxEndpoints),
      balance_{next_in_turn_.data(), open_flows_.data(), passed_over_until_.data(), shared.health} {
  counters_.flow_capacity.set(capacity);
}

void FlowStage::adopt(const Snapshot& snapshot) {
  if (snapshot_ != nullptr && snapshot_->policies != snapshot.policies) {
    ++policies_number_;
    sweep_.start_if(snapshot.policies->cuts() || snapshot.policies->has_duties());
  }
  snapshot_ = &snapshot;
  conntrack_.configure(snapshot.flows);
  guarded_ = snapshot.sources->active();
  stateless_ = !snapshot.flows.track_all && snapshot.service_table->empty() && !guarded_;
  judges_links_ = snapshot.judges_links();
}

void FlowStage::carry(Burst& burst, Nanoseconds now) {
  begin_burst(now);
  carry_all(burst);
  burst.count = 0;
}

void FlowStage::carry_all(Burst& burst) {
  if (stateless_) {
    for (Segment* frame : burst) carry_aside(frame);
  } else {
    carry_tracked(burst);
  }
}

void FlowStage::carry_one(Segment* frame, Nanoseconds now) {
  set_time(now);
  carry_aside(frame);
}

/// In three rounds, so that a burst's loads from memory overlap: index, records, packets.
void FlowStage::carry_tracked(Burst& burst) {
  const FlowTable& table = conntrack_.table();
  Segment* frames[Burst::kSize];
  uint64_t hashes[Burst::kSize];
  FlowId likely[Burst::kSize];
  uint32_t count = 0;
  for (Segment* frame : burst) {
    const bool tracked = is_tcp_or_udp(frame) || is_echo(frame);
    if (!tracked || is_unplaced_fragment(frame)) [[unlikely]] {
      carry_aside(frame);
      continue;
    }
    frames[count] = frame;
    hashes[count] = routed_hash_of(frame);
    table.prefetch_index(hashes[count++]);
  }
  const bool judges_links = judges_links_;
  if (judges_links) [[unlikely]]
    enter_zones(frames, hashes, count);
  for (uint32_t i = 0; i < count; ++i) likely[i] = table.prefetch_flow(hashes[i]);
  for (uint32_t i = 0; i < count; ++i) {
    FlowMatch match;
    if (judges_links && is_on_link(frames[i])) [[unlikely]] {
      match = find_in_zone(frames[i], hashes[i]);
    } else if (frames[i]->family == 4) {
      match = table.find(wire::tuple_v4_of(frames[i]), hashes[i], likely[i]);
    } else {
      match = table.find(wire::tuple_of(frames[i]), hashes[i]);
    }
    carry_flow(match, frames[i], hashes[i]);
  }
}

/// The hashes of what passes between joined ports, out of those that they would have if they were routed.
[[gnu::noinline]] void FlowStage::enter_zones(Segment** frames, uint64_t* hashes, uint32_t count) const {
  for (uint32_t i = 0; i < count; ++i) {
    const uint16_t zone = zone_of(frames[i]);
    if (zone == 0) continue;
    hashes[i] = hash_in_zone(hashes[i], zone, shared_.key);
    conntrack_.table().prefetch_index(hashes[i]);
  }
}

[[gnu::noinline]] FlowMatch FlowStage::find_in_zone(const Segment* frame, uint64_t hash) const {
  return conntrack_.table().find(tuple_of(frame), hash);
}

uint64_t FlowStage::routed_hash_of(const Segment* frame) const {
  if (frame->family == 4) return flow_hash(wire::tuple_v4_of(frame), shared_.key);
  return routed_hash(wire::tuple_of(frame), shared_.key);
}

uint64_t FlowStage::hash_of(const Segment* frame) const {
  const uint64_t hash = routed_hash_of(frame);
  const uint16_t zone = zone_of(frame);
  return zone == 0 ? hash : hash_in_zone(hash, zone, shared_.key);
}

/// What makes no flow of its own, or can't be told yet.
void FlowStage::carry_aside(Segment* frame) {
  if (guarded_ && !admits_source(frame)) {
    drop_spoofed(frame);
  } else if (is_unplaced_fragment(frame)) {
    carry_fragment(frame);
  } else if (wire::is_icmp_error(frame)) {
    carry_icmp_error(frame);
  } else {
    carry_untracked(frame);
  }
}

/// What makes no flow is judged by itself.
void FlowStage::carry_untracked(Segment* frame) {
  const auto [judgement, duties] = judge_packet(frame);
  if (!judgement.passes()) {
    refuse(frame, judgement, duties);
  } else if (duties.empty() || do_duties(duties, frame)) {
    carry_by_route(frame, Reason::forwarded);
  }
}

/// Where its destination leads, or, between joined ports, to the other one.
void FlowStage::carry_by_route(Segment* frame, Reason reason) {
  if (is_on_link(frame)) return pass_on(frame);
  gateway_.carry(frame, reason);
}

/// Along a flow it is enough that its packets come from where its first one came, and where those of the other way go.
inline bool FlowStage::comes_from_home(FlowMatch match, const Segment* frame) const {
  if (match.id == kNoFlow) return false;
  const FlowHot& flow = conntrack_.table().hot(match.id);
  if (flow.exit_epoch != gateway_.epoch()) return false;
  if (match.direction == kOriginal) return flow.ingress == frame->port;
  const uint16_t exit = flow.exit[kOriginal];
  return exit != Gateway::kNoExit && gateway_.port_of(exit) == frame->port;
}

[[gnu::always_inline]] inline void FlowStage::carry_flow(FlowMatch match, Segment* frame, uint64_t hash) {
  Reason why;
  if (guarded_ && !comes_from_home(match, frame) && !admits_source(frame)) [[unlikely]] {
    drop_spoofed(frame);
    return;
  }
  if (match.id == kNoFlow) {
    carry_unknown(frame, hash);
  } else if (conntrack_.update(match, frame, now_, why)) [[likely]] {
    const bool translated = (conntrack_.table().hot(match.id).flags & kFlowTranslated) != 0;
    forward(match, frame, translated ? Reason::service_forwarded : Reason::forwarded);
  } else if (why != Reason::forwarded) {
    egress_.drop(frame, why);
  } else {
    carry_unknown(frame, hash);
  }
}

[[gnu::always_inline]] inline void FlowStage::forward(FlowMatch match, Segment* frame, Reason reason) {
  FlowHot& flow = conntrack_.table().hot(match.id);
  if (hops_left(frame) <= 1 && may_end(flow, frame)) [[unlikely]]
    return;
  if (flow.exit_epoch != gateway_.epoch() && !judge_again(match, frame)) [[unlikely]]
    return;
  if ((flow.flags & (kFlowHasDuties | kFlowByLink)) != 0) [[unlikely]] {
    if ((flow.flags & kFlowHasDuties) != 0 && !do_duties(duties_[match.id], frame)) return;
    if ((flow.flags & kFlowByLink) != 0) return pass_on(frame);
  }
  if ((flow.flags & kFlowTranslated) != 0) {
    translate_packet(match, frame);
    count_service(match.id, frame);
  }
  const uint16_t exit = flow.exit[match.direction];
  Reason why;
  if (exit == Gateway::kNoExit || !gateway_.send_by(frame, exit, reason, why)) [[unlikely]]
    forward_anew(match, frame, reason);
}

/// The last hop of a packet, but for what passes between joined ports, where none is taken. True: it has ended.
[[gnu::noinline]] bool FlowStage::may_end(const FlowHot& flow, Segment* frame) {
  return (flow.flags & kFlowByLink) == 0 && !gateway_.lives_on(frame);
}

[[gnu::noinline]] void FlowStage::pass_on(Segment* frame) {
  egress_.send(frame, snapshot_->peer(frame->port), Reason::passed_on);
}

/// Finds the exit and sends the packet there; a packet that can't leave is as it came when its sender hears of it.
void FlowStage::forward_anew(FlowMatch match, Segment* frame, Reason reason) {
  FlowHot& flow = conntrack_.table().hot(match.id);
  Reason why;
  uint16_t exit = exit_for(match, frame, why);
  if (flow.exit_epoch == gateway_.epoch()) flow.exit[match.direction] = exit;
  if (exit != Gateway::kNoExit && !claim_reply(match, exit)) {
    exit = Gateway::kNoExit;
    why = Reason::claim_table_full;
  }
  if (exit != Gateway::kNoExit && gateway_.send_by(frame, exit, reason, why)) return;
  if ((flow.flags & kFlowTranslated) != 0) translate_any(match, frame, true);
  gateway_.reject(frame, why);
}

/// What the node's own stack has asked comes back to it the way that it came from.
uint16_t FlowStage::exit_for(FlowMatch match, const Segment* frame, Reason& why) {
  const uint16_t ingress = conntrack_.table().hot(match.id).ingress;
  if (match.direction == kReply && ingress != kNoPort && is_host_side(ingress)) {
    why = Reason::port_down;
    return gateway_.exit_to_node(ingress);
  }
  return gateway_.resolve(frame, why);
}

/// A port that takes only what it was told of must know the reply before the first packet leaves.
bool FlowStage::claim_reply(FlowMatch match, uint16_t exit) {
  FlowHot& flow = conntrack_.table().hot(match.id);
  if (match.direction != kOriginal || (flow.flags & kFlowClaimed) != 0) return true;
  Port* port = snapshot_->port(gateway_.port_of(exit));
  if (port == nullptr || !port->wants_claims()) return true;
  if (!port->claim(conntrack_.table().reply(match.id))) return false;
  flow.flags |= kFlowClaimed;
  return true;
}

void FlowStage::unclaim_reply(FlowId id) {
  const Tuple reply = conntrack_.table().reply(id);
  for (const PortEntry& entry : snapshot_->ports) {
    if (entry.port != nullptr && entry.port->wants_claims()) entry.port->unclaim(reply);
  }
}

inline void FlowStage::translate_packet(FlowMatch match, Segment* frame) {
  const FlowHot& flow = conntrack_.table().hot(match.id);
  const bool ordinary = frame->family == 4 && (frame->flags & (kLaterFragment | kNeedsChecksum)) == 0 &&
                        flow.nat_source_port == flow.source_port;
  if (!ordinary) [[unlikely]] {
    translate_any(match, frame, false);
  } else if (match.direction == kOriginal) {
    translate_v4(frame, End::destination, flow.nat_address, flow.nat_port);
  } else {
    translate_v4(frame, End::source, flow.destination, flow.destination_port);
  }
}

/// @param back undoes the translation
void FlowStage::translate_any(FlowMatch match, Segment* frame, bool back) {
  const FlowTable& table = conntrack_.table();
  const FlowHot& flow = table.hot(match.id);
  const bool source_port_moved = flow.nat_source_port != flow.source_port;
  const Tuple original = table.original(match.id);
  const wire::Address endpoint = table.nat_address(match.id);
  if (match.direction == kOriginal) {
    if (back) {
      translate(frame, End::destination, original.destination, flow.destination_port);
    } else {
      translate(frame, End::destination, endpoint, flow.nat_port);
    }
    if (source_port_moved)
      translate(frame, End::source, original.source, back ? flow.source_port : flow.nat_source_port);
    return;
  }
  if (back) {
    translate(frame, End::source, endpoint, flow.nat_port);
  } else {
    translate(frame, End::source, original.destination, flow.destination_port);
  }
  if (source_port_moved)
    translate(frame, End::destination, original.source, back ? flow.nat_source_port : flow.source_port);
}

void FlowStage::carry_unknown(Segment* frame, uint64_t hash) {
  if (is_on_link(frame)) return open_on_link(frame, hash);
  const Tuple tuple = wire::tuple_of(frame);
  const Opening opening = opening_of(tuple, hash);
  if (opening.service == nullptr && gateway_.is_ours(tuple.destination)) {
    gateway_.answer(frame);
    return;
  }
  if (shared_.lanes() > 1 && (frame->flags & kHandedOver) == 0) {
    if (hand_over(frame, owner_of(hash, opening.hash))) return;
  }
  if (opening.direction == kReply) {
    // The flow may stand here already, under the tuple that its client knows.
    const FlowMatch known = conntrack_.table().find(opening.original, opening.hash);
    if (known.id != kNoFlow) {
      egress_.drop(frame, Reason::tcp_no_flow);
      return;
    }
  }
  if (opening.service == nullptr && !snapshot_->flows.track_all) {
    gateway_.carry(frame, Reason::forwarded);
    return;
  }
  const FlowId id = open(opening, frame);
  if (id == kNoFlow) return;
  const Reason reason = opening.service != nullptr ? Reason::service_forwarded : Reason::forwarded;
  forward_first({id, opening.direction}, frame, reason);
}

/// The packet that has opened the flow. Not inline: its flow's other packets are carried by the same code, there.
[[gnu::noinline]] void FlowStage::forward_first(FlowMatch match, Segment* frame, Reason reason) {
  forward(match, frame, reason);
}

/// Services and routes do not reach what passes between joined ports, and nothing is an address of ours.
void FlowStage::open_on_link(Segment* frame, uint64_t hash) {
  const bool received_here = shared_.lanes() > 1 && (frame->flags & kHandedOver) == 0;
  if (received_here && hand_over(frame, owner_of(hash, routed_hash_of(frame)))) return;
  if (!snapshot_->flows.track_all) return pass_on(frame);
  const FlowId id = open({.original = tuple_of(frame), .hash = hash}, frame);
  if (id != kNoFlow) forward_first({id, kOriginal}, frame, Reason::passed_on);
}

unsigned FlowStage::owner_of(uint64_t hash, uint64_t home_hash) const {
  const unsigned owner = shared_.directory.find(hash);
  return owner != OwnerDirectory::kNone ? owner : shared_.home(home_hash);
}

bool FlowStage::hand_over(Segment* frame, unsigned owner) {
  if (owner == lane_) return false;
  frame->flags |= kHandedOver;
  if (shared_.handover.give(lane_, owner, frame)) {
    counters_.handed_over.add(1);
    shared_.handover.notify(owner);
  } else {
    egress_.drop(frame, Reason::handover_full);
  }
  return true;
}

void FlowStage::carry_fragment(Segment* frame) {
  if (shared_.lanes() > 1) {
    // Fragments of a packet meet where its identification leads, whichever queue they came by.
    if ((frame->flags & kHandedOver) == 0 && hand_over(frame, home_of_fragment(frame))) return;
    frame->flags &= static_cast<uint16_t>(~kHandedOver);
  }
  Reason why;
  released_fragments_.clear();
  switch (fragments_.place(frame, zone_of(frame), now_, snapshot_->flows.timeouts.fragment, released_fragments_, why)) {
    case FragmentTable::Outcome::waiting:
      return;
    case FragmentTable::Outcome::refused:
      egress_.drop(frame, why);
      return;
    case FragmentTable::Outcome::placed:
      break;
  }
  Burst placed;
  keep_fragment(frame, placed);
  for (Segment* late : released_fragments_) keep_fragment(late, placed);
  carry_all(placed);
}

/// RoCEv2 has no fragments (annex A17.3.2: DF is set). Who sends some all the same may not pass by policies that ask
/// for the queue pair, which these do not tell.
void FlowStage::keep_fragment(Segment* fragment, Burst& kept) {
  const bool roce = fragment->protocol == wire::protocol::kUdp && (fragment->l4_ports & 0xffff) == wire::kRocePort;
  if (roce && snapshot_->policies->speaks_of_roce()) {
    refuse(fragment, {Reason::roce_fragmented});
  } else {
    kept.push(fragment);
  }
}

void FlowStage::tick(Nanoseconds now) {
  set_time(now);
  constexpr unsigned kFlowsPerTick = 128;
  constexpr unsigned kDeniedSetsPerTick = 2;
  conntrack_.expire(now_, kFlowsPerTick);
  denied_.expire(now_, kDeniedSetsPerTick);
  if (sweep_.running()) sweep_.go_on(conntrack_.table().id_limit(), [this](FlowId id) { return look_again(id); });
  counters_.flows.set(conntrack_.table().size());
  counters_.evicted_flows.set(conntrack_.evicted());
  if (static_cast<int32_t>(now_ - next_fragment_tick_) < 0) return;
  next_fragment_tick_ = now_ + 1000;
  std::vector<Segment*> abandoned;
  fragments_.expire(now_, abandoned);
  for (Segment* frame : abandoned) egress_.drop(frame, Reason::fragment_unmatched);
}

bool FlowStage::expire_some(Nanoseconds now) {
  now_ = milliseconds(now);
  return conntrack_.expire(now_, kFlowsPerSlice);
}

bool FlowStage::close_some(FlowId& next) {
  const FlowTable& table = conntrack_.table();
  const FlowId end = std::min(table.id_limit(), next + kFlowsPerSlice);
  for (; next < end; ++next) {
    if (table.in_use(next)) conntrack_.close(next);
  }
  return next == table.id_limit();
}

bool FlowStage::expire_denied_some(Nanoseconds now) {
  if (denied_sets_left_ == 0 && milliseconds(now) - denied_looked_at_ < 1000) return true;
  if (denied_sets_left_ == 0) denied_sets_left_ = DeniedFlows::kSets;
  denied_looked_at_ = milliseconds(now);
  denied_.expire(denied_looked_at_, kDeniedSetsPerSlice);
  denied_sets_left_ -= kDeniedSetsPerSlice;
  return denied_sets_left_ == 0;
}

bool FlowStage::end_denied_some() {
  denied_.expire(now_, kDeniedSetsPerSlice, 0);
  return denied_.empty();
}

void FlowStage::count_service(FlowId id, const Segment* frame) {
  counters_.services[static_cast<size_t>(conntrack_.table().cold(id).service_or_zone)].carried.add(wire_segments(frame),
                                                                                                   frame->frame_length);
}

FlowRecord FlowStage::record(FlowId id) const {
  const FlowTable& table = conntrack_.table();
  const FlowHot& hot = table.hot(id);
  const FlowCold& cold = table.cold(id);
  FlowRecord r;
  r.original = table.original(id);
  r.translated = (hot.flags & kFlowTranslated) != 0;
  if (r.translated) {
    r.nat_address = table.nat_address(id);
    r.nat_port = hot.nat_port;
    r.service = static_cast<uint32_t>(cold.service_or_zone);
    r.endpoint = cold.endpoint - 1;
  }
  r.reason = r.translated                     ? Reason::service_forwarded
             : (hot.flags & kFlowByLink) != 0 ? Reason::passed_on
                                              : Reason::forwarded;
  r.policy = allowed_by(id);
  r.generation = static_cast<uint32_t>(snapshot_->generation);
  r.ingress = hot.ingress;
  r.opened_at = cold.opened_at;
  r.last_seen = hot.last_seen;
  r.packets[kOriginal] = cold.packets_0;
  r.packets[kReply] = cold.packets_1;
  r.bytes[kOriginal] = cold.bytes[kOriginal];
  r.bytes[kReply] = cold.bytes[kReply];
  r.state = hot.state;
  r.assured = (hot.flags & kFlowAssured) != 0;
  return r;
}

void FlowStage::report(FlowEventKind kind, FlowId id) {
  if (shared_.want_events.load(std::memory_order_relaxed)) events_.push({kind, record(id)});
}

void FlowStage::flow_denied(const FlowRecord& flow) {
  if (shared_.want_events.load(std::memory_order_relaxed)) events_.push({FlowEventKind::denied, flow});
}

void FlowStage::denied_flow_over(const FlowRecord& flow) {
  if (shared_.want_events.load(std::memory_order_relaxed)) events_.push({FlowEventKind::denied_over, flow});
}

void FlowStage::flow_closing(FlowId id) {
  report(FlowEventKind::closed, id);
  const FlowHot& flow = conntrack_.table().hot(id);
  if ((flow.flags & kFlowClaimed) != 0) unclaim_reply(id);
  if ((flow.flags & kFlowInDirectory) != 0)
    shared_.directory.remove(flow_hash(conntrack_.table().reply(id), shared_.key), lane_);
  if ((flow.flags & kFlowTranslated) == 0) return;
  const FlowCold& cold = conntrack_.table().cold(id);
  --open_flows_[cold.endpoint - 1];
  --translated_;
  ServiceCounter& service = counters_.services[static_cast<size_t>(cold.service_or_zone)];
  service.active_flows.set(service.active_flows.read() - 1);
}

}  // namespace flatproxy
