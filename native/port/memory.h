#pragma once

#include <memory>
#include <vector>

#include "port/port.h"
#include "port/sleep_signal.h"
#include "port/spsc_ring.h"

namespace flatproxy {

/// What is different about a memory port.
struct MemoryOptions {
  uint32_t ring_size = 4096;  ///< frames that each direction of each queue holds; rounded up to a power of two
  /// Both sides are one thread (simulation, engine benchmarks): frames are not marked as away, so that their release
  /// stays a push onto their pool's free list.
  bool same_thread = false;
};

/// An in-process port: each lane's queue is a pair of rings, with the lane on one side and a test, a traffic generator
/// or JavaScript on the other, the outside. Frames cross by reference and go home to their own pools, which must
/// outlive the port; a frame that its sender still holds crosses as a copy.
/// Of each queue one thread may inject and one may take.
class MemoryPort : public Port {
 public:
  MemoryPort(PortInfo info, unsigned lanes, MemoryOptions options = {});
  ~MemoryPort() override;

  PortQueue& queue(unsigned lane) override;
  unsigned queues() const { return static_cast<unsigned>(queues_.size()); }

  /// Outside: hands frames to a lane's receive(). Returns how many of the first ones were taken; the rest, which found
  /// the ring full, stay the caller's.
  uint32_t inject_burst(unsigned queue, Segment* const* frames, uint32_t n);
  bool inject(unsigned queue, Segment* frame) { return inject_burst(queue, &frame, 1) == 1; }

  /// Outside: takes up to n frames that the lane has sent; they are the caller's to release.
  uint32_t take_burst(unsigned queue, Segment** frames, uint32_t n);

  /// Outside: readable when a lane has sent something since arm_taker(). One for all queues, so one thread takes.
  int taker_fd() const { return taker_.fd(); }
  /// Outside, before it sleeps on taker_fd(). False: there is something to take, do not sleep.
  bool arm_taker();
  void disarm_taker() { taker_.disarm(); }

 private:
  class Queue;
  std::vector<std::unique_ptr<Queue>> queues_;
  SleepSignal taker_;
  const bool same_thread_;
};

}  // namespace flatproxy
