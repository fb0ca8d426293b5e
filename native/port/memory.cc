#include "port/memory.h"

#include <algorithm>

#include "packet/frame.h"
#include "port/prepare.h"

namespace flatproxy {
namespace {

void release_all(SpscRing<Segment>& ring) {
  while (Segment* frame = ring.pop()) release(frame);
}

}  // namespace

class MemoryPort::Queue : public PortQueue, private WireSender {
 public:
  Queue(MemoryPort& port, uint32_t ring_size) : in(ring_size), out(ring_size), port_(port) {}
  ~Queue() override {
    release_all(in);
    release_all(out);
  }

  void receive(QueueContext&, Burst& burst) override {
    burst.count += static_cast<uint32_t>(in.pop(burst.end(), burst.room()));
  }

  void send(QueueContext& context, Burst& burst) override { prepare_for_send(port_.info(), context, burst, *this); }

  int wait_fd() const override { return signal.fd(); }
  bool arm() override {
    signal.arm();
    if (in.empty()) return true;
    signal.disarm();
    return false;
  }
  void disarm() override { signal.disarm(); }

  SpscRing<Segment> in;   // outside -> lane
  SpscRing<Segment> out;  // lane -> outside
  SleepSignal signal;     // the lane's

 private:
  void send_wire(QueueContext& context, Burst& burst) override {
    const auto n = static_cast<uint32_t>(std::min<size_t>(out.room(burst.count), burst.count));
    uint32_t ready = 0;
    while (ready < n && make_sole(context, burst.frames[ready])) ++ready;
    if (!port_.same_thread_) std::for_each(burst.begin(), burst.begin() + ready, mark_away);
    out.push(burst.begin(), ready);
    if (ready > 0) port_.taker_.notify();
    std::copy(burst.begin() + ready, burst.end(), burst.begin());
    burst.count -= ready;
  }

  // What the sender holds on to must not change under it.
  static bool make_sole(QueueContext& context, Segment*& frame) {
    if (frame->references == 1) [[likely]]
      return true;
    Segment* copy = copy_frame(frame, context.buffers);
    if (copy == nullptr) return false;
    release(frame);
    frame = copy;
    return true;
  }

  MemoryPort& port_;
};

MemoryPort::MemoryPort(PortInfo info, unsigned lanes, MemoryOptions options)
    : Port(std::move(info)), same_thread_(options.same_thread) {
  for (unsigned i = 0; i < lanes; ++i) queues_.push_back(std::make_unique<Queue>(*this, options.ring_size));
}

MemoryPort::~MemoryPort() = default;

PortQueue& MemoryPort::queue(unsigned lane) { return *queues_[lane]; }

uint32_t MemoryPort::inject_burst(unsigned queue, Segment* const* frames, uint32_t n) {
  Queue& to = *queues_[queue];
  n = static_cast<uint32_t>(std::min<size_t>(to.in.room(n), n));
  if (!same_thread_) std::for_each(frames, frames + n, mark_away);
  to.in.push(frames, n);
  if (n > 0) to.signal.notify();
  return n;
}

uint32_t MemoryPort::take_burst(unsigned queue, Segment** frames, uint32_t n) {
  return static_cast<uint32_t>(queues_[queue]->out.pop(frames, n));
}

bool MemoryPort::arm_taker() {
  taker_.arm();
  if (std::all_of(queues_.begin(), queues_.end(), [](const auto& q) { return q->out.empty(); })) return true;
  taker_.disarm();
  return false;
}

}  // namespace flatproxy
