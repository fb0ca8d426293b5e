#include "lane/lane.h"

#include <algorithm>

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

Lane::Lane(unsigned id, LaneShared& shared, uint32_t flow_capacity)
    : id_(id),
      shared_(shared),
      buffers_(*shared.buffers[id]),
      egress_(id, buffers_, counters_),
      gateway_(id, shared, buffers_, egress_),
      flows_(id, shared, counters_, egress_, gateway_, flow_capacity) {
  if (id == HealthStage::kLane) {
    health_ = std::make_unique<HealthStage>(shared, counters_, buffers_, egress_, gateway_);
    gateway_.use(health_.get());
  }
}

void Lane::adopt(const Snapshot& snapshot, Nanoseconds now) {
  egress_.configure(snapshot);
  gateway_.adopt(snapshot);
  flows_.adopt(snapshot);
  if (health_ != nullptr) health_->adopt(snapshot, now);
  inbound_.clear();
  for (uint16_t id = 0; id < kPortIds; ++id) {
    Port* port = snapshot.port(id);
    if (port != nullptr) inbound_.push_back({id, port, &port->queue(id_)});
  }
  snapshot_ = &snapshot;
  next_beat_ = now;
}

bool Lane::iterate(Nanoseconds now) {
  worked_ = false;
  egress_.set_time(now);
  gateway_.set_time(now);
  for (Inbound& inbound : inbound_) {
    receive(inbound, now);
    if (burst_.count != 0) carry(burst_, now);
  }
  if (shared_.lanes() > 1) carry_handed_over(now);
  if (now >= next_tick_) tick(now);
  if (now >= next_beat_) beat(now);
  egress_.flush();
  return worked_;
}

void Lane::receive(Inbound& inbound, Nanoseconds now) {
  QueueContext context{buffers_, now};
  inbound.queue->receive(context, burst_);
  const bool own_time = inbound.port->virtual_time();
  for (Segment* frame : burst_) {
    frame->port = inbound.id;
    if (!own_time) frame->timestamp = now;
  }
  worked_ |= burst_.count != 0;
}

void Lane::carry(Burst& burst, Nanoseconds now) {
  uint32_t kept = 0;
  uint64_t packets = 0;
  uint64_t bytes = 0;
  const uint16_t port = burst.frames[0]->port;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Segment* frame = burst.frames[i];
    if (i + 1 < burst.count) __builtin_prefetch(burst.frames[i + 1]->data);
    bytes += frame->frame_length;
    Reason why;
    if (!wire::parse_frame(frame, why)) [[unlikely]] {
      packets += 1;
      egress_.drop(frame, why);
      continue;
    }
    packets += wire_segments(frame);
    if (gateway_.admit(frame)) [[likely]]
      burst.frames[kept++] = frame;
  }
  counters_.ports[port].received.packets.add(packets);
  counters_.ports[port].received.bytes.add(bytes);
  burst.count = kept;
  flows_.carry(burst, now);
}

void Lane::carry_handed_over(Nanoseconds now) {
  shared_.handover.take(id_, burst_);
  if (burst_.count == 0) return;
  worked_ = true;
  uint32_t kept = 0;
  for (Segment* frame : burst_) {
    if (gateway_.is_link_message(frame)) {
      gateway_.learn_from(frame);
    } else {
      burst_.frames[kept++] = frame;
    }
  }
  burst_.count = kept;
  flows_.carry(burst_, now);
}

void Lane::tick(Nanoseconds now) {
  next_tick_ = now + kTick;
  flows_.tick(now);
  gateway_.tick();
  if (health_ != nullptr) health_->tick(now);
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
  return std::min({rest, next_receive(), probes});
}

}  // namespace flatproxy
