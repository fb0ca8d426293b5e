#include "lane/roce_stage.h"

#include "packet/frame.h"
#include "wire/tuple_of.h"

namespace flatproxy {
namespace {

/// What one slice of expire_some() and the like looks at: less than a ring of events holds.
constexpr uint32_t kFlowsPerSlice = 1024;
static_assert(kFlowsPerSlice < EventRing::kSize);

constexpr uint8_t bit_of(wire::RoceClass kind) { return static_cast<uint8_t>(1u << static_cast<unsigned>(kind)); }

}  // namespace

RoceStage::RoceStage(LaneShared& shared, LaneCounters& counters, Gateway& gateway, FlowStage& flows, uint32_t capacity)
    : shared_(shared),
      counters_(counters),
      gateway_(gateway),
      flows_(flows),
      table_(std::min(capacity, RoceTable::kMaxFlows), shared.key) {}

void RoceStage::adopt(const Snapshot& snapshot) {
  if (snapshot_ != nullptr && snapshot_->policies != snapshot.policies) {
    ++policies_number_;
    sweep_.start_if(snapshot.policies->cuts() || snapshot.policies->has_duties());
  }
  snapshot_ = &snapshot;
  guarded_ = snapshot.sources->active();
}

inline bool RoceStage::read(Segment* frame, Carried& to) const {
  const wire::Bytes bytes = wire::roce_of(frame);
  if (bytes.empty()) return false;
  const wire::Bth bth = wire::Bth::read(bytes.data());
  to.frame = frame;
  to.key = {wire::source_of(frame), wire::destination_of(frame), bth.destination_qp, frame->family,
            flows_.zone_of(frame)};
  to.hash = roce_hash(to.key, shared_.key);
  to.packet = {wire::kRoceOpcodes[bth.opcode], bth.psn, false, frame->l4_offset - frame->l3_offset + frame->l4_length};
  if (to.packet.opcode.kind == wire::RoceClass::ack) to.packet.nak = wire::is_roce_nak(bth, bytes);
  return true;
}

/// In three rounds, so that a burst's loads from memory overlap: index, flows, packets.
void RoceStage::take(Burst& burst, Nanoseconds now) {
  flows_.begin_burst(now);
  time_ = now;
  now_ = FlowStage::milliseconds(now);
  Carried carried[Burst::kSize];
  uint32_t count = 0;
  uint32_t kept = 0;
  for (Segment* frame : burst) {
    if (!wire::is_to_roce_port(frame) || !read(frame, carried[count])) {
      burst.frames[kept++] = frame;
      continue;
    }
    table_.prefetch_index(carried[count++].hash);
  }
  burst.count = kept;
  for (uint32_t i = 0; i < count; ++i)
    carried[i].likely = table_.prefetch_flow(carried[i].hash, carried[i].packet.opcode.kind);
  for (uint32_t i = 0; i < count; ++i) {
    if (!carry(carried[i])) burst.push(carried[i].frame);
  }
}

/// False: the packet is the flow stage's.
[[gnu::always_inline]] inline bool RoceStage::carry(const Carried& carried) {
  const FlowId id = table_.find(carried.key, carried.hash, carried.likely);
  if (id == kNoFlow) return carry_unknown(carried);
  RoceFlow& flow = table_.at(id);
  Segment* frame = carried.frame;
  if (flow.exit_epoch != gateway_.epoch() && !judge_again(id)) [[unlikely]]
    return carry_unknown(carried);
  if (guarded_ && flow.ingress != frame->port && !flows_.admits_source(frame)) {
    flows_.drop_spoofed(frame);
  } else if ((flow.allowed & bit_of(carried.packet.opcode.kind)) == 0) {
    const wire::RoceClass kind = carried.packet.opcode.kind;
    flows_.refuse(frame, judge(flow.key, flow.ingress, kind), duties(flow.key, flow.ingress, kind));
  } else if (passes_duties(flow, carried)) {
    count(carried, id);
    forward(flow, frame);
  }
  return true;
}

bool RoceStage::carry_unknown(const Carried& carried) {
  Segment* frame = carried.frame;
  const bool routed = !flows_.is_on_link(frame);
  if (routed && (gateway_.is_ours(carried.key.destination) || flows_.answers_for_service(frame))) return false;
  if (guarded_ && !flows_.admits_source(frame)) {
    flows_.drop_spoofed(frame);
    return true;
  }
  if (shared_.lanes() > 1 && (frame->flags & kHandedOver) == 0 && flows_.hand_over(frame, flows_.owner_of(frame)))
    return true;
  // A client of another protocol may have this port, and what looks like a header is an answer to it.
  if (flows_.knows(frame)) return false;
  const FlowId id = open(carried);
  if (id == kNoFlow) return true;
  if (!passes_duties(table_.at(id), carried)) return true;
  count(carried, id);
  forward(table_.at(id), frame);
  return true;
}

/// False: the packet has ended.
inline bool RoceStage::passes_duties(const RoceFlow& flow, const Carried& carried) {
  if ((flow.flags & kRoceHasDuties) == 0) [[likely]]
    return true;
  return flows_.do_duties(duties(flow.key, flow.ingress, carried.packet.opcode.kind), carried.frame);
}

/// kNoFlow: the packet has ended.
FlowId RoceStage::open(const Carried& carried) {
  if (shared_.refuse_new.load(std::memory_order_relaxed) && !flows_.is_on_link(carried.frame)) {
    flows_.refuse(carried.frame, {Reason::draining});
    return kNoFlow;
  }
  const wire::RoceClass kind = carried.packet.opcode.kind;
  const uint16_t arrival = carried.frame->port;
  FlowStage::Judged judged{judge(carried.key, arrival, kind), duties(carried.key, arrival, kind)};
  const Judgement& why = judged.judgement;
  const FlowId id = flows_.admits(judged, carried.frame, time_) ? make_room(carried) : kNoFlow;
  if (id == kNoFlow) {
    flows_.refuse(carried.frame, why.passes() ? Judgement{Reason::flow_table_full} : why, judged.duties);
    return kNoFlow;
  }
  RoceFlow& flow = table_.at(id);
  flow.ingress = arrival;
  flow.exit_epoch = gateway_.epoch();
  flow.exit = Gateway::kNoExit;
  flow.allowed = allowed_classes(carried.key, arrival);
  flow.judged = policies_number_;
  take_up_duties(flow, duties(flow));
  report_opened(id, carried.packet);
  if (!judged.duties.empty()) flows_.meet(judged.duties, record(id));
  return id;
}

FlowId RoceStage::make_room(const Carried& carried) {
  const FlowId id = table_.open(carried.key, carried.hash, now_);
  if (id != kNoFlow) return id;
  close(table_.victim(carried.hash, now_));
  counters_.roce.evicted.add(1);
  return table_.open(carried.key, carried.hash, now_);
}

inline void RoceStage::forward(RoceFlow& flow, Segment* frame) {
  if (flows_.is_on_link(frame)) [[unlikely]]
    return flows_.pass_on(frame);
  if (!gateway_.lives_on(frame)) return;
  Reason why;
  if (flow.exit == Gateway::kNoExit || !gateway_.send_by(frame, flow.exit, Reason::forwarded, why)) [[unlikely]]
    forward_anew(flow, frame);
}

void RoceStage::forward_anew(RoceFlow& flow, Segment* frame) {
  Reason why;
  const uint16_t exit = gateway_.resolve(frame, why);
  if (flow.exit_epoch == gateway_.epoch()) flow.exit = exit;
  if (exit != Gateway::kNoExit && gateway_.send_by(frame, exit, Reason::forwarded, why)) return;
  gateway_.reject(frame, why);
}

inline void RoceStage::count(const Carried& carried, FlowId id) {
  RoceCounters& counters = counters_.roce;
  const RocePacket& packet = carried.packet;
  counters.classes[static_cast<size_t>(packet.opcode.kind)].add(1, packet.bytes);
  if (table_.count(id, packet, now_)) [[unlikely]]
    counters.retransmitted.add(1);
  if (packet.nak) [[unlikely]] {
    counters.naks.add(1);
    count_trouble(id, kRoceNak);
  } else if (packet.opcode.kind == wire::RoceClass::cnp) [[unlikely]] {
    count_trouble(id, kRoceCnp);
  }
}

/// An alarm a second, when there were so many.
void RoceStage::count_trouble(FlowId id, RoceTrouble trouble) {
  const bool nak = trouble == kRoceNak;
  const uint32_t many = nak ? snapshot_->flows.nak_alarm : snapshot_->flows.cnp_alarm;
  if (table_.count_trouble(id, trouble, now_) != many) return;
  report(nak ? FlowEventKind::nak_alarm : FlowEventKind::cnp_alarm, id);
}

PolicyKey RoceStage::policy_key(const RoceKey& key, uint16_t arrival, wire::RoceClass kind) {
  return {.source = key.source,
          .destination = key.destination,
          .protocol = wire::protocol::kUdp,
          .port = wire::kRocePort,
          .arrival = arrival,
          .roce = RoceTarget{key.qp, kind},
          .vlan = vlan_of(key.zone)};
}

Judgement RoceStage::judge(const RoceKey& key, uint16_t arrival, wire::RoceClass kind) const {
  return snapshot_->policies->empty() ? Judgement{} : snapshot_->policies->judge(policy_key(key, arrival, kind));
}

PolicyDuties RoceStage::duties(const RoceKey& key, uint16_t arrival, wire::RoceClass kind) const {
  const PolicyTable& policies = *snapshot_->policies;
  return policies.has_duties() ? policies.duties(policy_key(key, arrival, kind)) : PolicyDuties{};
}

/// Those of all its classes that pass.
PolicyDuties RoceStage::duties(const RoceFlow& flow) const {
  PolicyDuties all;
  if (!snapshot_->policies->has_duties()) return all;
  for (size_t i = 0; i < wire::kRoceClasses; ++i) {
    const auto kind = static_cast<wire::RoceClass>(i);
    if ((flow.allowed & bit_of(kind)) != 0) all.unite(duties(flow.key, flow.ingress, kind));
  }
  return all;
}

uint8_t RoceStage::allowed_classes(const RoceKey& key, uint16_t arrival) const {
  uint8_t allowed = 0;
  for (size_t i = 0; i < wire::kRoceClasses; ++i) {
    const auto kind = static_cast<wire::RoceClass>(i);
    if (judge(key, arrival, kind).passes()) allowed |= bit_of(kind);
  }
  return allowed;
}

/// What the snapshot in force says of a flow that was opened under another one. False: the flow is closed.
bool RoceStage::judge_again(FlowId id) {
  RoceFlow& flow = table_.at(id);
  if (flow.key.zone == 0 && gateway_.is_ours(flow.key.destination)) {
    close(id);
    return false;
  }
  if (look_again(id)) return false;
  flow.exit_epoch = gateway_.epoch();
  flow.exit = Gateway::kNoExit;
  return true;
}

/// A flow that may be silent, under policies that may be new. True: none of its classes passes, and it has ended.
bool RoceStage::look_again(FlowId id) {
  if (!table_.in_use(id)) return false;
  RoceFlow& flow = table_.at(id);
  // Its sender may have moved: from where it is now, the flow's packets are taken without another look.
  flow.ingress = client_port_now(*snapshot_, flow.key.source, flow.ingress);
  const PolicyTable& policies = *snapshot_->policies;
  const uint8_t kept = policies.cuts() || policies.empty() ? 0 : flow.allowed;
  flow.allowed = kept | allowed_classes(flow.key, flow.ingress);
  if (flow.allowed == 0) {
    close(id);
    return true;
  }
  const PolicyDuties wanted = duties(flow);
  take_up_duties(flow, wanted);
  if (flow.judged != policies_number_ && !wanted.empty()) flows_.meet(wanted, record(id));
  flow.judged = policies_number_;
  return false;
}

void RoceStage::take_up_duties(RoceFlow& flow, const PolicyDuties& duties) {
  const bool any = !duties.limits.empty() || !duties.mirrors.empty();
  flow.flags = static_cast<uint8_t>((flow.flags & ~kRoceHasDuties) | (any ? kRoceHasDuties : 0));
}

void RoceStage::tick(Nanoseconds now) {
  now_ = FlowStage::milliseconds(now);
  uint32_t budget = 128;
  for (FlowId id; (id = table_.take_idle(now_, budget)) != kNoFlow;) close(id);
  if (sweep_.running()) sweep_.go_on(table_.id_limit(), [this](FlowId id) { return look_again(id); });
  counters_.roce.flows.set(table_.size());
}

bool RoceStage::expire_some(Nanoseconds now) {
  now_ = FlowStage::milliseconds(now);
  if (places_left_ == 0) {
    if (now_ - looked_at_ < 1000) return true;
    looked_at_ = now_;
    places_left_ = table_.id_limit();
  }
  uint32_t budget = std::min(places_left_, kFlowsPerSlice);
  places_left_ -= budget;
  for (FlowId id; (id = table_.take_idle(now_, budget)) != kNoFlow;) close(id);
  return places_left_ == 0;
}

bool RoceStage::close_some(FlowId& next) {
  const FlowId end = std::min(table_.id_limit(), next + kFlowsPerSlice);
  for (; next < end; ++next) {
    if (table_.in_use(next)) close(next);
  }
  return next == table_.id_limit();
}

void RoceStage::close(FlowId id) {
  report(FlowEventKind::closed, id);
  table_.close(id);
}

FlowRecord RoceStage::record(FlowId id) const {
  const RoceFlow& flow = table_.at(id);
  FlowRecord r;
  r.original = {flow.key.source, flow.key.destination, 0, wire::kRocePort, wire::protocol::kUdp,
                flow.key.family, flow.key.zone};
  r.roce = true;
  r.qp = flow.key.qp;
  r.roce_counts = table_.counts(id);
  for (const RoceCounts::Class& part : r.roce_counts.classes) {
    r.packets[kOriginal] += part.packets;
    r.bytes[kOriginal] += part.bytes;
  }
  for (size_t i = 0; i < wire::kRoceClasses && r.policy == FlowRecord::kNone; ++i) {
    const Judgement judgement = judge(flow.key, flow.ingress, static_cast<wire::RoceClass>(i));
    if (judgement.passes()) r.policy = judgement.policy;
  }
  r.generation = static_cast<uint32_t>(snapshot_->generation);
  r.ingress = flow.ingress;
  if (flow.key.zone != 0) r.reason = Reason::passed_on;
  r.opened_at = table_.opened_at(id);
  r.last_seen = flow.last_seen;
  return r;
}

/// With the packet that opens it, which is counted when it passes.
void RoceStage::report_opened(FlowId id, const RocePacket& packet) {
  if (!shared_.want_events.load(std::memory_order_relaxed)) return;
  FlowEvent event{FlowEventKind::opened, record(id)};
  event.flow.roce_counts.of(packet.opcode.kind) = {1, packet.bytes};
  event.flow.packets[kOriginal] = 1;
  event.flow.bytes[kOriginal] = packet.bytes;
  flows_.events().push(event);
}

void RoceStage::report(FlowEventKind kind, FlowId id) {
  if (shared_.want_events.load(std::memory_order_relaxed)) flows_.events().push({kind, record(id)});
}

}  // namespace flatproxy
