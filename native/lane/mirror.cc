#include "lane/mirror.h"

#include <algorithm>

#include "packet/frame.h"

namespace flatproxy {
namespace {

/// How much of a frame a port takes: whole, or as much as one of its frames may hold.
uint32_t fitting(const Segment* frame, const PortInfo& port) {
  const uint32_t largest = uint32_t{frame->l3_offset} + port.mtu;
  const uint32_t on_wire =
      frame->gso_size == 0 ? frame->frame_length : uint32_t{frame->payload_offset} + frame->gso_size;
  return on_wire <= largest ? frame->frame_length : largest;
}

}  // namespace

void Mirror::copy(const Snapshot& snapshot, const PolicyPlaces& mirrors, const Segment* frame) {
  const PolicyTable& policies = *snapshot.policies;
  if (policies.mirrors_to(frame->port)) return;
  for (const uint32_t place : mirrors) {
    const Policy& policy = policies.set().policies[place];
    PolicyCounters& counters = counters_.policies.at(policy.counter);
    Segment* copy = copy_for(snapshot, policy.mirror, frame);
    if (copy == nullptr) {
      counters.mirror_lost.add(wire_segments(frame));
      egress_.count(frame, Reason::mirror_lost);
      continue;
    }
    counters.mirrored_packets.add(wire_segments(copy));
    egress_.send(copy, policy.mirror.port, Reason::mirrored);
  }
}

/// nullptr: there is no room for it.
Segment* Mirror::copy_for(const Snapshot& snapshot, const PolicyMirror& mirror, const Segment* frame) {
  const Port* port = snapshot.port(mirror.port);
  if (port == nullptr) return nullptr;
  const uint32_t size = std::min(fitting(frame, port->info()), mirror.snap_length);
  const uint32_t bytes = std::min(size, frame->frame_length);
  if (copies_left_ == 0 || bytes > bytes_left_) return nullptr;
  Segment* copy = copy_frame(frame, buffers_, size);
  if (copy == nullptr) return nullptr;
  --copies_left_;
  bytes_left_ -= bytes;
  return copy;
}

}  // namespace flatproxy
