#include "lane/egress.h"

#include <algorithm>
#include <utility>

namespace flatproxy {

bool BurstSums::turn_to(uint8_t reason) {
  if (now_.reason == kNone) {
    now_.reason = reason;
    return true;
  }
  for (Sum& other : others_) {
    if (other.reason != reason && other.reason != kNone) continue;
    other.reason = reason;
    std::swap(now_, other);
    return true;
  }
  return false;
}

void BurstSums::take_off(const Segment* frame) {
  if (now_.reason != frame->reason) turn_to(frame->reason);
  now_.packets -= wire_segments(frame);
  now_.bytes -= frame->frame_length;
}

void BurstSums::count_into(LaneCounters& counters, uint16_t port) {
  const auto count = [&](Sum& sum) {
    if (sum.reason == kNone) return;
    counters.ports[port].sent.add(sum.packets, sum.bytes);
    counters.reasons[sum.reason].add(sum.packets, sum.bytes);
    sum = {};
  };
  count(now_);
  std::for_each(others_.begin(), others_.end(), count);
}

void Egress::configure(const Snapshot& snapshot) {
  for (Outbound& out : outbound_) out.queue = nullptr;
  for (uint16_t id = 0; id < kPortIds; ++id) {
    Port* port = snapshot.port(id);
    if (port != nullptr) outbound_[id].queue = &port->queue(lane_);
  }
  waiting_.reserve(kPortIds);
}

void Egress::count(const Segment* frame, Reason reason) {
  counters_.reasons[static_cast<size_t>(reason)].add(wire_segments(frame), frame->frame_length);
}

void Egress::drop(Segment* frame, Reason reason) {
  count(frame, reason);
  release(frame);
}

bool Egress::begin_burst(Outbound& out, uint16_t port) {
  if (out.queue == nullptr) return false;
  if (!out.waiting) waiting_.push_back(port);
  out.waiting = true;
  return true;
}

void Egress::flush() {
  for (const uint16_t port : waiting_) {
    outbound_[port].waiting = false;
    if (outbound_[port].burst.count != 0) flush(port);
  }
  waiting_.clear();
}

void Egress::flush(uint16_t port) {
  Outbound& out = outbound_[port];
  // The port releases what it sends, so all was summed up before, and what it refused is taken off again.
  QueueContext context{buffers_, now_};
  out.queue->send(context, out.burst);
  if (out.burst.count != 0) [[unlikely]] {
    const Reason refusal = out.queue->up() ? Reason::port_queue_full : Reason::port_down;
    for (Segment* frame : out.burst) {
      out.sums.take_off(frame);
      drop(frame, refusal);
    }
    out.burst.count = 0;
  }
  out.sums.count_into(counters_, port);
}

}  // namespace flatproxy
