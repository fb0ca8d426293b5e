#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "tcp/stack.h"

namespace flatproxy::test {

/// What a link does to packets; chances of 1 in 10,000.
struct LinkFaults {
  uint32_t loss = 0;
  uint32_t duplication = 0;
  uint32_t corruption = 0;
  uint32_t reordering = 0;  ///< a packet comes later than those behind it
  Nanoseconds delay = 10'000'000;
  Nanoseconds jitter = 0;
  size_t queue = 4096;  ///< packets on the way at most
};

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

/// Two stacks and a link between them, under one virtual clock: a simulation, byte for byte the same for one seed.
class StackPair {
 public:
  StackPair(const tcp::Settings& a, const tcp::Settings& b, const LinkFaults& faults, uint64_t seed);
  ~StackPair();

  struct Side : tcp::Transmitter {
    Side(StackPair& pair, int index, const tcp::Settings& settings, uint64_t seed);
    void transmit(Segment* frame, tcp::Connection& connection) override;
    StackPair& pair;
    int index;
    Buffers buffers{4096, 1024, 8192};
    tcp::Stack stack;
    uint16_t listener;
  };
  Side& side(int index) { return *sides_[index]; }
  Nanoseconds now() const { return now_; }
  Dice& dice() { return dice_; }

  /// Opens a connection from side 0 to side 1.
  tcp::Connection* connect(uint16_t source_port = 40000);

  /// Runs until `done` or the time is over; `on_ready` is called for each connection to which something happened.
  bool run(Nanoseconds most, const std::function<bool()>& done,
           const std::function<void(int side, tcp::Connection&, uint8_t events)>& on_ready);

  uint64_t packets() const { return packets_; }
  LinkFaults faults;

 private:
  struct Flying {
    Nanoseconds arrives;
    uint64_t order;
    int to;
    std::vector<uint8_t> packet;
    bool operator<(const Flying& other) const {
      return arrives != other.arrives ? arrives > other.arrives : order > other.order;
    }
  };
  void put_on_wire(int to, Segment* frame);
  void launch(int to, std::vector<uint8_t> packet);
  void deliver(const Flying& flying);

  Nanoseconds now_ = 1'000'000'000;
  Dice dice_;
  uint64_t packets_ = 0;
  uint64_t order_ = 0;
  std::vector<Flying> flying_;  // a heap
  std::unique_ptr<Side> sides_[2];
};

}  // namespace flatproxy::test
