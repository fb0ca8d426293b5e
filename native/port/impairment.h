#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "packet/buffers.h"
#include "packet/burst.h"

namespace flatproxy {

/// How a fault port impairs frames. Rates are shares of the packets, 0 to 1, each drawn on its own.
struct Faults {
  uint64_t seed = 0;
  double drop = 0;
  double duplicate = 0;
  double reorder = 0;  ///< held back until 1 to 4 later packets have passed, 2 ms at the longest
  double corrupt = 0;  ///< one bit is flipped, anywhere in the frame
  Nanoseconds delay = 0;
};

/// What has happened to packets. Written by a lane, read by any thread.
struct FaultCounters {
  std::atomic<uint64_t> dropped{0};
  std::atomic<uint64_t> duplicated{0};
  std::atomic<uint64_t> reordered{0};
  std::atomic<uint64_t> corrupted{0};
  std::atomic<uint64_t> delayed{0};
  std::atomic<uint64_t> overflowed{0};  ///< lost because the line was full or no buffer was left
  std::atomic<uint64_t> unsent{0};      ///< came out of the line, and the wrapped port had no room
};

inline void count(std::atomic<uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

/// One direction of one queue of a fault port: packets go in, and come out impaired. The faults that a packet meets
/// depend on the seed and on its number alone.
class Impairment {
 public:
  /// Packets that are in the line at most; further ones are lost, and counted.
  static constexpr uint32_t kCapacity = 4096;

  Impairment(const Faults& faults, uint64_t stream, FaultCounters& counters);
  ~Impairment();
  Impairment(const Impairment&) = delete;
  Impairment& operator=(const Impairment&) = delete;

  /// Takes one packet of the wire: checksums complete, within the MSS.
  void put(Segment* packet, Nanoseconds now, Buffers& buffers);

  /// Appends what is due to the burst.
  void take(Nanoseconds now, Burst& burst);

  /// How many packets take() could give.
  uint32_t due(Nanoseconds now) const;

  /// When take() will have something, kNever: the line is empty.
  Nanoseconds next_due() const;

 private:
  static constexpr uint32_t kMaxHeld = 64;
  static constexpr Nanoseconds kLongestHold = 2'000'000;
  struct Entry {
    Segment* packet;
    Nanoseconds time;  // in the line: due; held back: until then
    uint32_t after;    // held back: until so many packets have passed
  };

  uint64_t draw();
  bool chance(double rate);
  void enter(Segment* packet, Nanoseconds now);
  void pass_held(Nanoseconds now, bool packet_passed);

  const Faults faults_;
  FaultCounters& counters_;
  uint64_t random_;
  std::unique_ptr<Entry[]> line_;
  uint32_t head_ = 0;
  uint32_t size_ = 0;
  std::array<Entry, kMaxHeld> held_;
  uint32_t holding_ = 0;
};

}  // namespace flatproxy
