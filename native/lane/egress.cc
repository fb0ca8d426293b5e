#include "lane/egress.h"

#include <array>

#include "packet/frame.h"

namespace flatproxy {

void Egress::configure(const Snapshot& snapshot) {
  for (Outbound& out : outbound_) out.queue = nullptr;
  for (size_t id = 0; id < snapshot.ports.size(); ++id) {
    const auto& port = snapshot.ports[id].port;
    if (port != nullptr) outbound_[id].queue = &port->queue(lane_);
  }
  waiting_.reserve(2 * kMaxPorts);
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
  // The port releases what it sends, so the frames are counted before, in tallies that stay here until it is known
  // which ones it took.
  struct Tally {
    uint32_t packets;
    uint32_t bytes;
    uint8_t reason;
  };
  std::array<Tally, Burst::kSize> tallies;
  const uint32_t offered = out.burst.count;
  std::array<const Segment*, Burst::kSize> order;
  for (uint32_t i = 0; i < offered; ++i) {
    const Segment* frame = out.burst.frames[i];
    tallies[i] = {wire_segments(frame), frame->frame_length, frame->reason};
    order[i] = frame;
  }
  QueueContext context{buffers_, now_};
  out.queue->send(context, out.burst);

  const Reason refusal = out.queue->up() ? Reason::port_queue_full : Reason::port_down;
  uint32_t left = 0;  // refused frames stand in the burst in their order
  PacketCounter& sent = counters_.ports[port].sent;
  for (uint32_t i = 0; i < offered; ++i) {
    const Tally& t = tallies[i];
    if (left < out.burst.count && out.burst.frames[left] == order[i]) {
      ++left;
      counters_.reasons[static_cast<size_t>(refusal)].add(t.packets, t.bytes);
      continue;
    }
    sent.add(t.packets, t.bytes);
    counters_.reasons[t.reason].add(t.packets, t.bytes);
  }
  for (uint32_t i = 0; i < out.burst.count; ++i) release(out.burst.frames[i]);
  out.burst.count = 0;
}

}  // namespace flatproxy
