#pragma once

#include <functional>
#include <memory>

#include "support/stack_host.h"

namespace flatproxy::test {

/// Two stacks and a link between them, under one virtual clock: a simulation, byte for byte the same for one seed.
class StackPair {
 public:
  using OnReady = std::function<void(int side, tcp::Connection&, uint8_t events)>;

  StackPair(const tcp::Settings& a, const tcp::Settings& b, const LinkFaults& link_faults, uint64_t seed)
      : dice_(seed),
        link_(link_faults, dice_),
        sides_{std::make_unique<StackHost>(0, link_, a, seed * 2 + 1, now_),
               std::make_unique<StackHost>(1, link_, b, seed * 2 + 2, now_)},
        faults(link_.faults) {}

  StackHost& side(int index) { return *sides_[index]; }
  Nanoseconds now() const { return now_; }
  Dice& dice() { return dice_; }
  uint64_t packets() const { return link_.packets(); }

  /// Opens a connection from side 0 to side 1.
  tcp::Connection* connect(uint16_t source_port = 40000) { return side(0).connect(source_port); }

  /// Runs until `done` or the time is over; `on_ready` is called for each connection to which something happened.
  bool run(Nanoseconds most, const std::function<bool()>& done, const OnReady& on_ready) {
    const Nanoseconds end = now_ + most;
    for (;;) {
      for (auto& host : sides_) host->step(now_, on_ready);
      if (done()) return true;
      const Nanoseconds next = std::min({side(0).stack.next_deadline(), side(1).stack.next_deadline(), link_.next()});
      if (next == kNever || next > end) return false;
      now_ = std::max(now_, next);
    }
  }
  /// Lets time pass to a moment, if it lies ahead.
  void pass_to(Nanoseconds time) { now_ = std::max(now_, time); }

 private:
  Nanoseconds now_ = 1'000'000'000;
  Dice dice_;
  FaultyLink link_;
  std::unique_ptr<StackHost> sides_[2];

 public:
  LinkFaults& faults;
};

}  // namespace flatproxy::test
