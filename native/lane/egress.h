#pragma once

#include <array>
#include <vector>

#include "capture/captured_frame.h"
#include "config/snapshot.h"
#include "lane/lane_captures.h"
#include "packet/burst.h"
#include "packet/reason.h"
#include "port/port.h"
#include "stats/lane_counters.h"

namespace flatproxy {

/// The end of every packet's way through a lane: it leaves by a port or it is dropped, and here it is counted, once.
class Egress {
 public:
  Egress(unsigned lane, Buffers& buffers, LaneCounters& counters, LaneCaptures& captures)
      : lane_(lane), buffers_(buffers), counters_(counters), captures_(captures) {}

  /// Takes over the snapshot's ports. Nothing may be waiting to be sent.
  void configure(const Snapshot& snapshot);
  void set_time(Nanoseconds now) { now_ = now; }

  /// Puts the frame into its port's burst; it ends in `reason`, which forwards or answers, unless the port refuses it.
  void send(Segment* frame, uint16_t port, Reason reason) {
    frame->reason = reason;
    Outbound& out = outbound_[port];
    if (out.burst.count == 0 && !begin_burst(out, port)) [[unlikely]]
      return drop(frame, reason == Reason::mirrored ? Reason::mirror_lost : Reason::port_down);
    out.burst.push(frame);
    if (out.burst.full()) flush(port);
  }

  /// The frame ends here.
  void drop(Segment* frame, Reason reason);
  /// Counts a frame that ends here but stays somebody's (answered in place by another one).
  void count(const Segment* frame, Reason reason);
  /// The copy for captures of a frame that is gone, and counted.
  void end_copy(Segment* copy, Reason reason) { captures_.finish(copy, reason); }

  /// Hands every port what waits for it.
  void flush();

 private:
  struct alignas(1024) Outbound {  // a power of two: found by a shift
    PortQueue* queue = nullptr;
    bool waiting = false;  ///< stands in waiting_
    Burst burst;
  };
  /// False: there is no such port.
  bool begin_burst(Outbound& out, uint16_t port);
  void flush(uint16_t port);

  unsigned lane_;
  Buffers& buffers_;
  LaneCounters& counters_;
  LaneCaptures& captures_;
  Nanoseconds now_ = 0;
  std::array<Outbound, kPortIds> outbound_{};
  std::vector<uint16_t> waiting_;  // ports with a burst that may not be empty
};

}  // namespace flatproxy
