#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "conntrack/flow_record.h"

namespace flatproxy {

/// Flow events on their way from a lane to whoever listens. Bounded: when nobody takes them, new ones are lost, and
/// lost() says how many.
class EventRing {
 public:
  static constexpr uint32_t kSize = 4096;

  /// The lane. False: it is lost.
  bool push(const FlowEvent& event) {
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == kSize) {
      lost_.store(lost_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      return false;
    }
    events_[tail % kSize] = event;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }
  /// The listener: one thread. False: there is none.
  bool pop(FlowEvent& event) {
    const uint32_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return false;
    event = events_[head % kSize];
    head_.store(head + 1, std::memory_order_release);
    return true;
  }
  uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  std::unique_ptr<FlowEvent[]> events_ = std::make_unique<FlowEvent[]>(kSize);
  alignas(64) std::atomic<uint32_t> tail_{0};
  std::atomic<uint64_t> lost_{0};
  alignas(64) std::atomic<uint32_t> head_{0};
};

}  // namespace flatproxy
