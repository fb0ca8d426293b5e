#include "lane/egress.h"

#include <array>

#include "packet/frame.h"

namespace flatproxy {
namespace {

/// What a burst holds, by reason. A burst has one or two of them, mostly in runs.
class Sums {
 public:
  void add(const Segment* frame) {
    Sum& sum = of(frame->reason);
    sum.packets += wire_segments(frame);
    sum.bytes += frame->frame_length;
  }
  void take_off(const Segment* frame) {
    Sum& sum = of(frame->reason);
    sum.packets -= wire_segments(frame);
    sum.bytes -= frame->frame_length;
  }
  void count_into(LaneCounters& counters, uint16_t port) const {
    for (unsigned i = 0; i < count_; ++i) {
      counters.ports[port].sent.add(sums_[i].packets, sums_[i].bytes);
      counters.reasons[sums_[i].reason].add(sums_[i].packets, sums_[i].bytes);
    }
  }

 private:
  struct Sum {
    uint64_t packets;
    uint64_t bytes;
    uint8_t reason;
  };
  Sum& of(uint8_t reason) {
    if (count_ != 0 && sums_[last_].reason == reason) [[likely]]
      return sums_[last_];
    for (last_ = 0; last_ < count_; ++last_) {
      if (sums_[last_].reason == reason) return sums_[last_];
    }
    sums_[count_++] = {0, 0, reason};
    return sums_[last_];
  }
  std::array<Sum, kReasons> sums_;  // not initialised: count_ says how many are in use
  unsigned count_ = 0;
  unsigned last_ = 0;
};

}  // namespace

void Egress::configure(const Snapshot& snapshot) {
  for (Outbound& out : outbound_) out.queue = nullptr;
  for (uint16_t id = 0; id < kPortIds; ++id) {
    Port* port = snapshot.port(id);
    if (port != nullptr) outbound_[id].queue = &port->queue(lane_);
  }
  waiting_.reserve(2 * kPortIds);
}

void Egress::count(const Segment* frame, Reason reason) {
  counters_.reasons[static_cast<size_t>(reason)].add(wire_segments(frame), frame->frame_length);
}

void Egress::drop(Segment* frame, Reason reason) {
  count(frame, reason);
  release(frame);
}

void Egress::flush() {
  for (const uint16_t port : waiting_) {
    if (outbound_[port].burst.count != 0) flush(port);
  }
  waiting_.clear();
}

void Egress::flush(uint16_t port) {
  Outbound& out = outbound_[port];
  // The port releases what it sends, so all is summed up before, and what it refused is taken off again.
  Sums sums;
  for (const Segment* frame : out.burst) sums.add(frame);
  QueueContext context{buffers_, now_};
  out.queue->send(context, out.burst);
  if (out.burst.count != 0) [[unlikely]] {
    const Reason refusal = out.queue->up() ? Reason::port_queue_full : Reason::port_down;
    for (Segment* frame : out.burst) {
      sums.take_off(frame);
      drop(frame, refusal);
    }
    out.burst.count = 0;
  }
  sums.count_into(counters_, port);
}

}  // namespace flatproxy
