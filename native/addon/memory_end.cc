#include "addon/memory_end.h"

#include "packet/flow_hash.h"
#include "packet/frame.h"
#include "wire/parse.h"
#include "wire/tuple_of.h"

namespace flatproxy {

bool MemoryEnd::send(std::span<const uint8_t> frame) {
  Segment* head = buffers_.small.allocate();
  if (head == nullptr) return false;
  if (append(head, frame.data(), static_cast<uint32_t>(frame.size()), buffers_) &&
      port_->inject(queue_of(head), head)) {
    return true;
  }
  release(head);
  return false;
}

Segment* MemoryEnd::take() {
  if (std::exchange(armed_, false)) port_->disarm_taker();
  for (unsigned i = 0; i < port_->queues(); ++i) {
    Segment* frame = nullptr;
    if (port_->take_burst(next_queue_, &frame, 1) == 1) return frame;
    next_queue_ = (next_queue_ + 1) % port_->queues();
  }
  return nullptr;
}

bool MemoryEnd::arm() {
  armed_ = port_->arm_taker();
  return armed_;
}

/// As a NIC spreads flows over queues: the packets of a flow keep their order. Fragments go by their addresses.
unsigned MemoryEnd::queue_of(Segment* frame) const {
  Reason why;
  if (port_->queues() == 1 || !wire::parse_frame(frame, why) || frame->family == 0) return 0;
  Tuple tuple = wire::tuple_of(frame);
  if ((frame->flags & (kFirstFragment | kLaterFragment)) != 0) tuple.source_port = tuple.destination_port = 0;
  return shared_.home(flow_hash(tuple, shared_.key));
}

}  // namespace flatproxy
