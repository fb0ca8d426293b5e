#pragma once

#include <cstdint>
#include <functional>

#include "rig.h"

namespace flatproxy::bench {

constexpr uint32_t kBatch = 64;

/// Puts a batch of frames made by `write(bytes)` into a port.
template <typename Write>
void send_batch(Rig& rig, MemoryPort& port, uint32_t count, Write&& write) {
  Segment* frames[kBatch];
  for (uint32_t i = 0; i < count; ++i) {
    frames[i] = rig.buffers().small.allocate();
    write(frames[i]->data, i);
    frames[i]->length = frames[i]->frame_length = 64;
  }
  port.inject_burst(0, frames, count);
}

/// Passes until nothing waits: an ARP answer in between makes a burst's last frame wait for the next one.
uint32_t settle(Rig& rig);

/// Runs batches, told how many packets were sent before, for a while and returns packets per second. Every packet must
/// come out, or the run is void. @param duration seconds
double rate(Rig& rig, double duration, const std::function<void(uint64_t)>& batch);

/// The flow of the n-th packet: a large odd step visits them in an order that no prefetcher guesses.
inline uint32_t flow_of(uint64_t n, uint32_t flows) { return static_cast<uint32_t>(n * 2654435761u % flows); }

}  // namespace flatproxy::bench
