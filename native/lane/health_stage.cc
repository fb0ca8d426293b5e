#include "lane/health_stage.h"

#include "packet/frame.h"
#include "wire/protocol.h"
#include "wire/tcp.h"
#include "wire/tuple_of.h"

namespace flatproxy {
namespace {

/// How long a port that takes only what it was told of is to take a probe's answer, late ones included.
constexpr Nanoseconds kClaimTime = 10'000'000'000;

}  // namespace

HealthStage::HealthStage(LaneShared& shared, LaneCounters& counters, Buffers& buffers, Egress& egress, Gateway& gateway)
    : counters_(counters),
      buffers_(buffers),
      egress_(egress),
      gateway_(gateway),
      prober_(shared.health, *this, shared.random) {}

void HealthStage::adopt(const Snapshot& snapshot, Nanoseconds now) {
  snapshot_ = &snapshot;
  prober_.configure(snapshot, now);
}

void HealthStage::tick(Nanoseconds now) {
  unclaim_old(now);
  due_.clear();
  prober_.tick(now, due_);
  for (const ProbePacket& packet : due_) send(packet, now);
}

void HealthStage::send(const ProbePacket& packet, Nanoseconds now) {
  Segment* frame = make_probe_frame(buffers_, packet);
  if (frame == nullptr) return;  // counts as a lost SYN, which the threshold forgives
  Reason why;
  const uint16_t exit = gateway_.resolve(frame, why);
  if (exit == Gateway::kNoExit || !claim(exit, packet.tuple.reversed(), now)) {
    release(frame);
    return;
  }
  if (!gateway_.send_by(frame, exit, Reason::originated, why)) release(frame);
}

bool HealthStage::claim(uint16_t exit, const Tuple& reply, Nanoseconds now) {
  Port* port = snapshot_->port(gateway_.port_of(exit));
  if (port == nullptr || !port->wants_claims()) return true;
  if (!port->claim(reply)) return false;
  claimed_.push_back({reply, now + kClaimTime});
  return true;
}

void HealthStage::unclaim_old(Nanoseconds now) {
  for (; !claimed_.empty() && claimed_.front().until <= now; claimed_.pop_front()) {
    for (const PortEntry& entry : snapshot_->ports) {
      if (entry.port != nullptr && entry.port->wants_claims()) entry.port->unclaim(claimed_.front().reply);
    }
  }
}

bool HealthStage::take(Segment* frame, Nanoseconds now) {
  const wire::TcpView tcp{frame->data + frame->l4_offset};
  ProbePacket reply;
  switch (prober_.answer(wire::tuple_of(frame), tcp.flags(), tcp.acknowledgment(), now, reply)) {
    case HealthProber::Answer::not_ours:
      return false;
    case HealthProber::Answer::reply:
      send(reply, now);
      break;
    case HealthProber::Answer::taken:
      break;
  }
  egress_.drop(frame, Reason::probe_answered);
  return true;
}

bool HealthStage::take_error(Segment* frame, const Tuple& sent, uint32_t sequence, Nanoseconds now) {
  if (!prober_.unreachable(sent, sequence, now)) return false;
  egress_.drop(frame, Reason::probe_answered);
  return true;
}

void HealthStage::health_changed(uint32_t, uint32_t, bool, ProbeResult) { counters_.health_changes.add(1); }

}  // namespace flatproxy
