#pragma once

#include <sys/uio.h>

#include <array>
#include <atomic>

#include "port/port.h"
#include "port/vnet_header.h"

namespace flatproxy {

/// One lane's queue of a tap: one readv and one writev per frame.
class TapQueue : public PortQueue {
 public:
  /// @param fd the tap's queue, which outlives this object
  explicit TapQueue(int fd) : fd_(fd) {}

  void receive(QueueContext& context, Burst& burst) override;
  void send(QueueContext& context, Burst& burst) override;
  int wait_fd() const override { return fd_; }
  void readable() override { next_look_ = 0; }
  bool up() const override { return !lost(); }

  /// Any thread. The device was deleted under us.
  bool lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  static constexpr unsigned kLargeParts = 4;  // with the small one: 66 KB, more than the largest frame
  // Then a burst ends. Less wakes the peers more often (measured: 64 KB costs a tenth of the throughput of 10 MB
  // bodies), more leaves the cache before it is sent (measured: 256 KB to 512 KB saves a twentieth of the CPU, 1 MB no
  // more).
  static constexpr uint32_t kBurstBytes = 1 << 19;
  static constexpr unsigned kMaxParts = 64;  // segments of a chain that is sent in one piece
  // An empty queue is looked at again when something was sent there (the kernel behind it often answers within the
  // call), when it has become readable, and in any case after this time.
  static constexpr Nanoseconds kNextLook = 50'000;
  static constexpr uint8_t kSilentAfter = 4;  // looks in vain: what is sent there is not answered at once

  bool prepare(Buffers& buffers);
  void put_back();
  Segment* take(uint32_t bytes);
  bool write(Segment* head);

  int fd_;
  uint8_t empty_looks_ = 0;  // one after another
  Nanoseconds next_look_ = 0;
  std::atomic<bool> lost_{false};
  Segment* small_ = nullptr;  // what the next frame is read into; nothing is held between two calls
  std::array<Segment*, kLargeParts> large_{};
  std::array<iovec, 1 + kLargeParts> into_{};
};

}  // namespace flatproxy
