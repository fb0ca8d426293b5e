#include "lane/lane.h"

#include <algorithm>

#include "lane/admission.h"
#include "lane/link_message.h"
#include "packet/frame.h"
#include "wire/parse.h"
#include "wire/protocol.h"

namespace flatproxy {
namespace {

/// Flows, neighbours and fragments are looked after this often.
constexpr Nanoseconds kTick = 1'000'000;
constexpr Nanoseconds kIdleTick = 100'000'000;
/// Ports that watch their lane hear from it this often (their watchdog waits four times as long by default).
constexpr Nanoseconds kBeat = 40'000'000;

}  // namespace

Lane::Lane(unsigned id, LaneShared& shared, const Capacity& capacity)
    : id_(id),
      shared_(shared),
      buffers_(*shared.buffers[id]),
      captures_(id, shared),
      egress_(id, buffers_, counters_, captures_),
      gateway_(id, shared, buffers_, egress_),
      flows_(id, shared, counters_, egress_, gateway_, capacity.flows),
      roce_(shared, counters_, gateway_, flows_, capacity.flows),
      tcp_(id, shared, counters_, egress_, gateway_, flows_, capacity.connections) {
  if (id == HealthStage::kLane) {
    health_ = std::make_unique<HealthStage>(shared, counters_, buffers_, egress_, gateway_);
    gateway_.use(health_.get());
  }
}

void Lane::adopt(const Snapshot& snapshot, Nanoseconds now) {
  captures_.adopt(snapshot);
  egress_.configure(snapshot);
  gateway_.adopt(snapshot);
  flows_.adopt(snapshot);
  roce_.adopt(snapshot);
  tcp_.adopt(snapshot);
  if (health_ != nullptr) health_->adopt(snapshot, now);
  inbound_.clear();
  for (uint16_t id = 0; id < kPortIds; ++id) {
    Port* port = snapshot.port(id);
    if (port == nullptr) continue;
    inbound_.push_back({.id = id, .peer = snapshot.peer(id), .port = port, .queue = &port->queue(id_)});
  }
  snapshot_ = &snapshot;
  next_beat_ = now;
}

bool Lane::iterate(Nanoseconds now) {
  worked_ = false;
  egress_.set_time(now);
  gateway_.set_time(now);
  tcp_.set_time(now);
  if (now >= next_tick_) tick(now);  // before any packet comes: what it belongs to may be over
  QueueContext context{buffers_, now};
  for (Inbound& inbound : inbound_) {
    inbound.queue->receive(context, burst_);
    if (burst_.count == 0) continue;
    worked_ = true;
    if (captures_.running()) [[unlikely]]
      captures_.take_in(burst_, inbound.id, now);
    if (inbound.peer != kNoPort) {
      bridge(inbound, now);
    } else if (flows_.stateless() && tcp_.idle()) {
      carry<kStateless>(inbound, now);
    } else {
      carry<kStateful>(inbound, now);
    }
  }
  if (shared_.lanes() > 1) carry_handed_over(now);
  if (now >= next_beat_) beat(now);
  if (!tcp_.idle()) tcp_.finish();
  egress_.flush();
  if (captures_.running()) [[unlikely]]
    captures_.publish();
  return worked_;
}

/// Where nothing needs a flow, an ordinary frame goes all its way at once: what was found stays in registers. Else the
/// whole burst is parsed before any flow is looked up.
template <Lane::Flows kFlows>
void Lane::carry(const Inbound& inbound, Nanoseconds now) {
  const uint16_t port = inbound.id;
  const uint64_t to_us = wire::start_of(inbound.port->info().mac);
  const uint32_t count = burst_.count;
  uint32_t kept = 0;
  uint64_t packets = 0;
  uint64_t bytes = 0;
  bool roce = false;
  for (uint32_t i = 0; i < count; ++i) {
    Segment* frame = burst_.frames[i];
    if (i + 1 < count) __builtin_prefetch(burst_.frames[i + 1]->data);
    frame->port = port;
    bytes += frame->frame_length;
    wire::OrdinaryPacket packet;
    if (wire::judge_ordinary_frame(frame, to_us, packet)) [[likely]] {
      if constexpr (kFlows == kStateless) {
        if (frame->gso_size == 0 && gateway_.carry_ordinary(frame, packet, Reason::forwarded)) [[likely]] {
          ++packets;
          continue;
        }
      }
      wire::record(frame, packet);
      packets += wire_segments(frame);
      if constexpr (kFlows == kStateless) {
        gateway_.carry(frame, Reason::forwarded);
        continue;
      }
    } else if (!admit_unusual(frame)) {
      continue;
    } else if constexpr (kFlows == kStateless) {
      flows_.carry_one(frame, now);
      continue;
    }
    roce |= wire::is_to_roce_port(frame);
    burst_.frames[kept++] = frame;
  }
  counters_.ports[port].received.add(packets, bytes);
  burst_.count = kept;
  if (kFlows == kStateful && !tcp_.idle()) tcp_.take(burst_);
  if (roce && !roce_.idle()) roce_.take(burst_, now);
  flows_.carry(burst_, now);
}

/// What comes by a joined port leaves by its peer as it is, whatever it is, but for what listeners intercept and what
/// policies deny.
void Lane::bridge(const Inbound& inbound, Nanoseconds now) {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint32_t kept = 0;
  for (Segment* frame : burst_) {
    frame->port = inbound.id;
    bytes += frame->frame_length;
    Reason why;
    const bool parsed = wire::parse_frame(frame, why);
    packets += parsed ? wire_segments(frame) : 1;
    if (parsed && frame->family != 0) {
      burst_.frames[kept++] = frame;
    } else if (flows_.judges_links() && hides_ip(frame, parsed, why)) {
      egress_.drop(frame, why);
    } else {
      egress_.send(frame, inbound.peer, Reason::passed_on);
    }
  }
  counters_.ports[inbound.id].received.add(packets, bytes);
  burst_.count = kept;
  if (!tcp_.idle()) tcp_.take(burst_);
  pass_on_joined();
  if (burst_.count == 0) return;
  if (!roce_.idle()) roce_.take(burst_, now);
  flows_.carry(burst_, now);
}

/// Frames of the burst that came by joined ports go on, but for those that are to be judged; these and the others stay.
void Lane::pass_on_joined() {
  uint32_t kept = 0;
  for (Segment* frame : burst_) {
    const uint16_t peer = snapshot_->peer(frame->port);
    // Neighbours find each other whatever policies say.
    const bool stays = peer == kNoPort || (flows_.judges_links() && !is_link_message(frame));
    if (stays) {
      burst_.frames[kept++] = frame;
    } else {
      egress_.send(frame, peer, Reason::passed_on);
    }
  }
  burst_.count = kept;
}

/// Judges and counts a frame that the short way did not take. Not inline: it would cost the others registers.
[[gnu::noinline]] bool Lane::admit_unusual(Segment* frame) {
  Reason why;
  const bool valid = wire::parse_frame(frame, why);
  counters_.ports[frame->port].received.packets.add(valid ? wire_segments(frame) : 1);
  if (valid) return gateway_.admit(frame);
  egress_.drop(frame, why);
  return false;
}

void Lane::carry_handed_over(Nanoseconds now) {
  shared_.handover.take(id_, burst_);
  if (burst_.count == 0) return;
  worked_ = true;
  uint32_t kept = 0;
  for (Segment* frame : burst_) {
    if (is_link_message(frame) && snapshot_->peer(frame->port) == kNoPort) {
      gateway_.learn_from(frame);
    } else {
      burst_.frames[kept++] = frame;
    }
  }
  burst_.count = kept;
  if (!tcp_.idle()) tcp_.take(burst_);
  pass_on_joined();
  if (!roce_.idle()) roce_.take(burst_, now);
  flows_.carry(burst_, now);
}

void Lane::tick(Nanoseconds now) {
  next_tick_ = now + kTick;
  flows_.tick(now);
  roce_.tick(now);
  if (tcp_.sweeping()) tcp_.sweep();
  if (captures_.lingering()) captures_.tick();
  gateway_.tick();
  if (health_ != nullptr) health_->tick(now);
  counters_.connections.set(tcp_.stack().connections());
  for (SegmentPool* pool : {&buffers_.small, &buffers_.large, static_cast<SegmentPool*>(&buffers_.loans)})
    pool->collect();
  counters_.buffers_in_use.set(buffers_.small.in_use() + buffers_.large.in_use());
}

void Lane::beat(Nanoseconds now) {
  next_beat_ = now + kBeat;
  for (Inbound& inbound : inbound_) {
    if (inbound.queue->wants_heartbeat()) inbound.queue->beat(now);
    counters_.ports[inbound.id].up.set(inbound.queue->up() ? 1 : 0);
  }
}

Nanoseconds Lane::next_receive() const {
  Nanoseconds next = kNever;
  for (const Inbound& inbound : inbound_) next = std::min(next, inbound.queue->next_receive());
  return next;
}

Nanoseconds Lane::next_deadline(Nanoseconds now) const {
  const bool watched = std::any_of(inbound_.begin(), inbound_.end(),
                                   [](const Inbound& inbound) { return inbound.queue->wants_heartbeat(); });
  const Nanoseconds rest = watched ? std::min(next_beat_, now + kIdleTick) : now + kIdleTick;
  const Nanoseconds probes = health_ != nullptr ? health_->next_deadline(now) : kNever;
  const Nanoseconds connections = tcp_.idle() ? kNever : tcp_.next_deadline();
  const Nanoseconds sweep = tcp_.sweeping() || flows_.sweeping() || roce_.sweeping() ? next_tick_ : kNever;
  return std::min({rest, next_receive(), probes, connections, sweep});
}

}  // namespace flatproxy
