#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "config/snapshot.h"
#include "lane/egress.h"
#include "lane/flow_stage.h"
#include "lane/gateway.h"
#include "lane/handover.h"
#include "lane/health_stage.h"
#include "lane/lane_captures.h"
#include "lane/roce_stage.h"
#include "lane/shared.h"
#include "lane/tcp_stage.h"
#include "packet/burst.h"
#include "stats/lane_counters.h"

namespace flatproxy {

/// One core's world: its queues of every port, its flows, its neighbours, its counters. iterate() is the whole way of a
/// packet. Nothing here reads a clock or sleeps: time comes in, once per pass.
class Lane {
 public:
  /// What a lane has room for; fixed for its life.
  struct Capacity {
    uint32_t flows;
    uint32_t connections = 262'144;  ///< TCP, that end here: two for each that is relayed
  };
  Lane(unsigned id, LaneShared& shared, const Capacity& capacity);

  /// Goes on under another snapshot, which must outlive its use: until this lane has taken another one.
  void adopt(const Snapshot& snapshot, Nanoseconds now);

  /// One pass: receives a burst from every port, carries each packet to its end, does what time demands.
  /// True: there was work.
  bool iterate(Nanoseconds now);

  /// For time that does not pass by itself: moves on to a time, between passes, and closes what is over by then.
  /// `slice` is called now and then on the way: for taking events, whose ring is bounded.
  template <typename Slice>
  void leap(Nanoseconds now, Slice&& slice) {
    while (!flows_.expire_some(now)) slice();
    slice();
    while (!roce_.expire_some(now)) slice();
    slice();
    while (!flows_.expire_denied_some(now)) slice();
    slice();
  }
  /// Closes all flows, likewise.
  template <typename Slice>
  void end_flows(Slice&& slice) {
    for (FlowId next = 0; !flows_.close_some(next);) slice();
    slice();
    for (FlowId next = 0; !roce_.close_some(next);) slice();
    slice();
    while (!flows_.end_denied_some()) slice();
    slice();
  }

  /// When iterate() has something to do without any packet coming; for the sleep between passes.
  Nanoseconds next_deadline(Nanoseconds now) const;

  /// When a port with a time of its own has its next packet; kNever: none has.
  Nanoseconds next_receive() const;

  template <typename Visit>
  void for_each_queue(Visit&& visit) {
    for (Inbound& inbound : inbound_) visit(*inbound.port, *inbound.queue);
  }

  unsigned id() const { return id_; }
  const LaneCounters& counters() const { return counters_; }
  LaneCounters& counters() { return counters_; }
  FlowStage& flows() { return flows_; }
  RoceStage& roce() { return roce_; }
  TcpStage& tcp() { return tcp_; }
  /// Whether a probe of an endpoint's health was sent along a tuple, by this lane.
  bool has_probed(const Tuple& sent) const { return health_ != nullptr && health_->has_probed(sent); }
  Gateway& gateway() { return gateway_; }
  const Snapshot& snapshot() const { return *snapshot_; }
  const HashKey& hash_key() const { return shared_.key; }
  Buffers& buffers() { return buffers_; }
  Handover& handover() { return shared_.handover; }
  LaneCaptures& captures() { return captures_; }

 private:
  struct Inbound {
    uint16_t id;
    uint16_t peer;  // the port that it is joined with, or kNoPort
    Port* port;
    PortQueue* queue;
  };
  enum Flows : bool { kStateless, kStateful };
  template <Flows kFlows>
  void carry(const Inbound& inbound, Nanoseconds now);
  bool admit_unusual(Segment* frame);
  void bridge(const Inbound& inbound, Nanoseconds now);
  void pass_on_joined();
  void carry_handed_over(Nanoseconds now);
  void beat(Nanoseconds now);
  void tick(Nanoseconds now);

  unsigned id_;
  LaneShared& shared_;
  Buffers& buffers_;
  LaneCounters counters_;
  const Snapshot* snapshot_ = nullptr;
  LaneCaptures captures_;
  Egress egress_;
  Gateway gateway_;
  FlowStage flows_;
  RoceStage roce_;
  TcpStage tcp_;
  std::unique_ptr<HealthStage> health_;  // the first lane's
  std::vector<Inbound> inbound_;
  Burst burst_;
  bool worked_ = false;
  Nanoseconds next_tick_ = 0;
  Nanoseconds next_beat_ = 0;
};

}  // namespace flatproxy
