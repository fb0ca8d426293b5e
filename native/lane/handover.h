#pragma once

#include <memory>
#include <vector>

#include "packet/burst.h"
#include "port/sleep_signal.h"
#include "port/spsc_ring.h"

namespace flatproxy {

/// The ways from each lane to each other one. Crossing moves ownership; the frame's memory goes home in the end.
class Handover {
 public:
  static constexpr size_t kRingSize = 1024;  ///< frames on the way from one lane to another

  explicit Handover(unsigned lanes) : lanes_(lanes), signals_(lanes) {
    for (unsigned i = 0; i < lanes * lanes; ++i) {
      rings_.push_back(i / lanes == i % lanes ? nullptr : std::make_unique<SpscRing<Segment>>(kRingSize));
    }
    for (auto& signal : signals_) signal = std::make_unique<SleepSignal>();
  }
  ~Handover();

  unsigned lanes() const { return lanes_; }
  /// Lane `from` only. False: the ring is full, the frame stays the caller's. notify() makes it seen by a sleeper.
  bool give(unsigned from, unsigned to, Segment* frame);
  void notify(unsigned to) { signals_[to]->notify(); }
  /// Lane `to` only.
  void take(unsigned to, Burst& burst);
  bool waiting(unsigned to) const;
  SleepSignal& signal(unsigned lane) { return *signals_[lane]; }

 private:
  SpscRing<Segment>* ring(unsigned from, unsigned to) const { return rings_[from * lanes_ + to].get(); }
  unsigned lanes_;
  std::vector<std::unique_ptr<SpscRing<Segment>>> rings_;
  std::vector<std::unique_ptr<SleepSignal>> signals_;
};

}  // namespace flatproxy
