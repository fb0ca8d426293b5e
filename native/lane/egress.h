#pragma once

#include <array>
#include <vector>

#include "config/snapshot.h"
#include "packet/burst.h"
#include "packet/frame.h"
#include "packet/reason.h"
#include "port/port.h"
#include "stats/lane_counters.h"

namespace flatproxy {

/// What a burst will have sent, by the reason that its frames end in. A burst has one or two of them, mostly in runs.
class BurstSums {
 public:
  /// False: there is no room for another reason.
  bool add(const Segment* frame) {
    if (now_.reason != frame->reason && !turn_to(frame->reason)) [[unlikely]]
      return false;
    now_.packets += wire_segments(frame);
    now_.bytes += frame->frame_length;
    return true;
  }
  /// The frame was added, but will not be sent.
  void take_off(const Segment* frame);
  /// Counts what was added, and starts anew.
  void count_into(LaneCounters& counters, uint16_t port);

 private:
  static constexpr unsigned kOthers = 3;
  static constexpr uint8_t kNone = 0xff;
  static_assert(kReasons < kNone);
  struct Sum {
    uint64_t packets = 0;
    uint64_t bytes = 0;
    uint8_t reason = kNone;
  };
  bool turn_to(uint8_t reason);

  Sum now_;  // of the last frame's reason
  std::array<Sum, kOthers> others_{};
};

/// The end of every packet's way through a lane: it leaves by a port or it is dropped, and here it is counted, once.
class Egress {
 public:
  Egress(unsigned lane, Buffers& buffers, LaneCounters& counters)
      : lane_(lane), buffers_(buffers), counters_(counters) {}

  /// Takes over the snapshot's ports. Nothing may be waiting to be sent.
  void configure(const Snapshot& snapshot);
  void set_time(Nanoseconds now) { now_ = now; }

  /// Puts the frame into its port's burst; it ends in `reason` unless the port refuses it.
  void send(Segment* frame, uint16_t port, Reason reason) {
    frame->reason = static_cast<uint8_t>(reason);
    Outbound& out = outbound_[port];
    if (out.burst.count == 0 && !begin_burst(out, port)) [[unlikely]]
      return drop(frame, Reason::port_down);
    if (!out.sums.add(frame)) [[unlikely]] {
      flush(port);
      out.sums.add(frame);
    }
    out.burst.push(frame);
    if (out.burst.full()) flush(port);
  }

  /// The frame ends here.
  void drop(Segment* frame, Reason reason);
  /// Counts a frame that ends here but stays somebody's (answered in place by another one).
  void count(const Segment* frame, Reason reason);

  /// Hands every port what waits for it.
  void flush();

 private:
  struct alignas(128) Outbound {
    PortQueue* queue = nullptr;
    bool waiting = false;  ///< stands in waiting_
    BurstSums sums;
    Burst burst;
  };
  /// False: there is no such port.
  bool begin_burst(Outbound& out, uint16_t port);
  void flush(uint16_t port);

  unsigned lane_;
  Buffers& buffers_;
  LaneCounters& counters_;
  Nanoseconds now_ = 0;
  std::array<Outbound, kPortIds> outbound_{};
  std::vector<uint16_t> waiting_;  // ports with a burst that may not be empty
};

}  // namespace flatproxy
