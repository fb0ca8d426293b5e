#pragma once

#include <cstdint>
#include <vector>

#include "packet/segment.h"

namespace flatproxy::test {

/// Small random numbers from a seed.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  uint32_t below(uint32_t n) { return n == 0 ? 0 : static_cast<uint32_t>((next() >> 32) % n); }
  bool one_in_10000(uint32_t times) { return below(10'000) < times; }

 private:
  uint64_t state_;
};

/// What a link does to packets; chances of 1 in 10,000.
struct LinkFaults {
  uint32_t loss = 0;
  uint32_t duplication = 0;
  uint32_t corruption = 0;
  uint32_t reordering = 0;  ///< a packet comes later than those behind it
  Nanoseconds delay = 10'000'000;
  Nanoseconds jitter = 0;
  size_t queue = 4096;     ///< packets on the way at most
  size_t largest = 65535;  ///< bytes of an IP packet; larger ones vanish
};

/// A link between two ends, 0 and 1, that carries Ethernet frames with an IP packet each.
class FaultyLink {
 public:
  FaultyLink(const LinkFaults& the_faults, Dice& dice) : faults(the_faults), dice_(dice) {}

  LinkFaults faults;

  void send(int to, std::vector<uint8_t> frame, Nanoseconds now);
  /// Takes the next frame that has come to an end by now. False: none has.
  bool take(int to, Nanoseconds now, std::vector<uint8_t>& frame);
  /// When the next frame arrives, kNever: none is on the way.
  Nanoseconds next() const { return flying_.empty() ? kNever : flying_.front().arrives; }
  uint64_t packets() const { return packets_; }

 private:
  struct Flying {
    Nanoseconds arrives;
    uint64_t order;
    int to;
    std::vector<uint8_t> frame;
    bool operator<(const Flying& other) const {
      return arrives != other.arrives ? arrives > other.arrives : order > other.order;
    }
  };
  Dice& dice_;
  uint64_t packets_ = 0;
  std::vector<Flying> flying_;  // a heap
};

}  // namespace flatproxy::test
