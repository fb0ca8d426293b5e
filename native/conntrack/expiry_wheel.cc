#include "conntrack/expiry_wheel.h"

#include <algorithm>
#include <bit>

namespace flatproxy {

void ExpiryWheel::add(FlowId id, uint32_t when) {
  const int32_t ahead = std::clamp(static_cast<int32_t>(when - base_), 0, static_cast<int32_t>((kSlots - 2) * kTick));
  const uint32_t slot = (base_ + static_cast<uint32_t>(ahead) + kTick - 1) / kTick % kSlots;
  FlowCold& flow = flows_[id];
  const FlowId head = heads_[slot];
  flow.next = head;
  flow.previous = kNoFlow;
  flow.wheel_slot = static_cast<uint16_t>(slot);
  if (head != kNoFlow) flows_[head].previous = id;
  heads_[slot] = id;
  occupied_[slot / 64] |= uint64_t{1} << (slot % 64);
  summary_ |= uint64_t{1} << (slot / 64);
  ++size_;
}

void ExpiryWheel::unlink(FlowId id, uint32_t slot) {
  const FlowCold& flow = flows_[id];
  if (flow.next != kNoFlow) flows_[flow.next].previous = flow.previous;
  if (flow.previous != kNoFlow) {
    flows_[flow.previous].next = flow.next;
  } else {
    heads_[slot] = flow.next;
    if (flow.next == kNoFlow) {
      occupied_[slot / 64] &= ~(uint64_t{1} << (slot % 64));
      if (occupied_[slot / 64] == 0) summary_ &= ~(uint64_t{1} << (slot / 64));
    }
  }
  --size_;
}

void ExpiryWheel::remove(FlowId id) { unlink(id, static_cast<uint32_t>(flows_[id].wheel_slot)); }

FlowId ExpiryWheel::nearest() const {
  if (size_ == 0) return kNoFlow;
  const uint32_t start = base_ / kTick % kSlots;
  const uint32_t word = start / 64;
  if (const uint64_t here = occupied_[word] >> (start % 64); here != 0) {
    return heads_[start + static_cast<uint32_t>(std::countr_zero(here))];
  }
  // The words after this one, round to the part of this one that lies before the start.
  const uint64_t others = std::rotr(summary_, static_cast<int>((word + 1) % 64));
  const uint32_t next = (word + 1 + static_cast<uint32_t>(std::countr_zero(others))) % 64;
  return heads_[next * 64 + static_cast<uint32_t>(std::countr_zero(occupied_[next]))];
}

FlowId ExpiryWheel::take_due(uint32_t now) {
  if (size_ == 0) {
    base_ = now / kTick * kTick;
    return kNoFlow;
  }
  while (static_cast<int32_t>(now - base_) >= 0) {
    const uint32_t slot = base_ / kTick % kSlots;
    if (const FlowId id = heads_[slot]; id != kNoFlow) {
      unlink(id, slot);
      return id;
    }
    base_ += kTick;
  }
  return kNoFlow;
}

}  // namespace flatproxy
