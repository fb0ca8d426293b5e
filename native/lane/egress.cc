#include "lane/egress.h"

#include "packet/frame.h"

namespace flatproxy {

namespace {

/// What a burst has sent, by the reason that its frames end in.
class SentSums {
 public:
  explicit SentSums(const Burst& burst) {
    // Frames of one reason mostly follow each other: they are summed up in registers.
    Sum run;
    Reason reason = Reason::forwarded;
    for (uint32_t i = 0; i < burst.count; ++i) {
      const Segment* frame = burst.frames[i];
      if (frame->reason != reason) [[unlikely]] {
        add(reason, run);
        run = {};
        reason = frame->reason;
      }
      run.packets += wire_segments(frame);
      run.bytes += frame->frame_length;
    }
    add(reason, run);
  }
  void take_off(const Segment* frame) {
    Sum& sum = sums_[static_cast<size_t>(frame->reason)];
    sum.packets -= wire_segments(frame);
    sum.bytes -= frame->frame_length;
  }
  void count_into(LaneCounters& counters, uint16_t port) const {
    for (size_t reason = 0; reason < sums_.size(); ++reason) {
      const auto& [packets, bytes] = sums_[reason];
      if (packets == 0) continue;
      counters.ports[port].sent.add(packets, bytes);
      counters.reasons[reason].add(packets, bytes);
    }
  }

 private:
  struct Sum {
    uint64_t packets = 0;
    uint64_t bytes = 0;
  };
  void add(Reason reason, const Sum& run) {
    Sum& sum = sums_[static_cast<size_t>(reason)];
    sum.packets += run.packets;
    sum.bytes += run.bytes;
  }
  std::array<Sum, kSentReasons> sums_{};
};

}  // namespace

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
  if (is_captured(frame)) [[unlikely]]
    end_copy(detach_copy(frame), reason);
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
  // The port releases what it sends, so all is summed up before, and what it refuses is taken off again.
  SentSums sums(out.burst);
  QueueContext context{buffers_, now_};
  const bool captured = captures_.watching();
  if (captured) [[unlikely]]
    captures_.sending(out.burst, port, now_);
  out.queue->send(context, out.burst);
  if (out.burst.count != 0) [[unlikely]] {
    const Reason refusal = out.queue->up() ? Reason::port_queue_full : Reason::port_down;
    for (Segment* frame : out.burst) {
      sums.take_off(frame);
      const Reason why = frame->reason == Reason::mirrored ? Reason::mirror_lost : refusal;
      if (captured) captures_.refused(frame, why);
      drop(frame, why);
    }
    out.burst.count = 0;
  }
  if (captured) [[unlikely]]
    captures_.sent(port);
  sums.count_into(counters_, port);
}

}  // namespace flatproxy
