#include "port/fault.h"

#include <algorithm>

#include "packet/frame.h"
#include "port/prepare.h"
#include "port/tcp_cutter.h"

namespace flatproxy {
namespace {

PortInfo without_offloads(PortInfo info) {
  info.offloads = {};
  return info;
}

}  // namespace

class FaultPort::Queue : public PortQueue, private WireSender {
 public:
  Queue(FaultPort& port, unsigned lane, const Faults& faults)
      : port_(port),
        inner_(port.inner_->queue(lane)),
        in_(faults, lane * 2, port.received_),
        out_(faults, lane * 2 + 1, port.sent_) {}
  ~Queue() override {
    for (; next_ < pending_.count; ++next_) release(pending_.frames[next_]);
  }

  // Large frames are cut only as the burst has room, so that a few of them do not take all buffers.
  void receive(QueueContext& context, Burst& burst) override {
    send_due(context);
    if (next_ == pending_.count) {
      next_ = pending_.count = 0;
      inner_.receive(context, pending_);
    }
    while (next_ < pending_.count && in_.due(context.now) < burst.room()) accept(pending_.frames[next_++], context);
    in_.take(context.now, burst);
  }

  void send(QueueContext& context, Burst& burst) override { prepare_for_send(port_.info(), context, burst, *this); }

  int wait_fd() const override { return inner_.wait_fd(); }
  void readable() override { inner_.readable(); }
  bool arm() override { return next_ == pending_.count && inner_.arm(); }
  void disarm() override { inner_.disarm(); }
  Nanoseconds next_receive() const override {
    if (next_ < pending_.count) return 0;
    return std::min({in_.next_due(), out_.next_due(), inner_.next_receive()});
  }
  void beat(Nanoseconds now) override { inner_.beat(now); }
  bool wants_heartbeat() const override { return inner_.wants_heartbeat(); }
  bool up() const override { return inner_.up(); }

 private:
  void accept(Segment* frame, QueueContext& context) {
    if (needs_cutting(frame, {})) return cut(frame, context);
    // What can't be completed goes on as it is: its receiver has a reason for it.
    complete_checksum(frame);
    frame->flags &= static_cast<uint16_t>(~kChecksumValid);
    in_.put(frame, context.now, context.buffers);
  }

  void cut(Segment* frame, QueueContext& context) {
    TcpCutter cutter(frame, port_.info().mtu, false);
    while (cutter.valid() && !cutter.done()) {
      Segment* packet = cutter.next(context.buffers);
      if (packet == nullptr) break;
      in_.put(packet, context.now, context.buffers);
    }
    if (!cutter.valid() || !cutter.done()) count(port_.received_.overflowed);
    release(frame);
  }

  void send_wire(QueueContext& context, Burst& burst) override {
    for (Segment* frame : burst) out_.put(frame, context.now, context.buffers);
    burst.count = 0;
    send_due(context);
  }

  void send_due(QueueContext& context) {
    for (Burst burst; out_.next_due() <= context.now;) {
      burst.count = 0;
      out_.take(context.now, burst);
      inner_.send(context, burst);
      for (Segment* frame : burst) {
        count(port_.sent_.unsent);
        release(frame);
      }
    }
  }

  FaultPort& port_;
  PortQueue& inner_;
  Impairment in_;
  Impairment out_;
  Burst pending_;  // received from the wrapped port, [next_, count) not yet impaired
  uint32_t next_ = 0;
};

FaultPort::FaultPort(std::shared_ptr<Port> inner, unsigned lanes, const Faults& faults)
    : Port(without_offloads(inner->info())), inner_(std::move(inner)) {
  for (unsigned lane = 0; lane < lanes; ++lane) queues_.push_back(std::make_unique<Queue>(*this, lane, faults));
}

FaultPort::~FaultPort() = default;

PortQueue& FaultPort::queue(unsigned lane) { return *queues_[lane]; }

}  // namespace flatproxy
