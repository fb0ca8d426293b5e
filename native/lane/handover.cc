#include "lane/handover.h"

#include "capture/captured_frame.h"
#include "packet/frame.h"

namespace flatproxy {

Handover::~Handover() {
  for (const auto& ring : rings_) {
    if (ring == nullptr) continue;
    while (Segment* frame = ring->pop()) release(frame);
  }
}

bool Handover::give(unsigned from, unsigned to, Segment* frame) {
  mark_away(frame);
  if (is_captured(frame)) [[unlikely]]
    mark_away(frame->captured);
  return ring(from, to)->push(frame);
}

void Handover::take(unsigned to, Burst& burst) {
  for (unsigned from = 0; from < lanes_ && !burst.full(); ++from) {
    if (from == to) continue;
    burst.count += static_cast<uint32_t>(ring(from, to)->pop(burst.frames + burst.count, burst.room()));
  }
}

bool Handover::waiting(unsigned to) const {
  for (unsigned from = 0; from < lanes_; ++from) {
    if (from != to && !ring(from, to)->empty()) return true;
  }
  return false;
}

}  // namespace flatproxy
