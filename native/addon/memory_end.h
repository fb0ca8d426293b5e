#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "lane/shared.h"
#include "packet/buffers.h"
#include "port/memory.h"

namespace flatproxy {

/// JavaScript's end of a memory port. Its thread's alone.
class MemoryEnd {
 public:
  /// The largest frame: a tagged IP packet of 64 KB.
  static constexpr uint32_t kMaxFrame = 14 + 4 + 65535;

  /// @param buffers what frames are copied into; outlives the port
  MemoryEnd(std::shared_ptr<MemoryPort> port, LaneShared& shared, Buffers& buffers)
      : port_(std::move(port)), shared_(shared), buffers_(buffers) {}

  /// Sends a copy of the frame, to the lane where its flow would live. False: there is no room.
  bool send(std::span<const uint8_t> frame);

  /// The next frame, the caller's to release; nullptr: there is none.
  Segment* take();

  /// From now on the port's taker_fd() tells of the next frame. False: there is one already.
  bool arm();

  const std::shared_ptr<MemoryPort>& port() const { return port_; }

 private:
  unsigned queue_of(Segment* frame) const;

  std::shared_ptr<MemoryPort> port_;
  LaneShared& shared_;
  Buffers& buffers_;
  unsigned next_queue_ = 0;
  bool armed_ = false;
};

}  // namespace flatproxy
