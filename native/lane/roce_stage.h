#pragma once

#include <algorithm>

#include "config/snapshot.h"
#include "conntrack/flow_record.h"
#include "conntrack/roce_table.h"
#include "lane/flow_stage.h"
#include "lane/gateway.h"
#include "lane/shared.h"
#include "lane/sweep.h"
#include "packet/burst.h"
#include "stats/lane_counters.h"
#include "wire/roce_of.h"

namespace flatproxy {

/// Carries RoCEv2 along its one-way flows, for one lane. It stands in front of the flow stage and takes what has a base
/// transport header; nothing of it is translated, since the ICRC covers the addresses. A flow's packets are counted by
/// the lane that its UDP source port leads to.
class RoceStage {
 public:
  RoceStage(LaneShared& shared, LaneCounters& counters, Gateway& gateway, FlowStage& flows, uint32_t capacity);

  void adopt(const Snapshot& snapshot);
  /// Nothing is tracked but what a service takes.
  bool idle() const { return !snapshot_->flows.track_all; }

  /// Takes RoCEv2 out of a burst of parsed IP packets; the others stay.
  void take(Burst& burst, Nanoseconds now);
  /// Closes flows that are over, and a slice of those that policies deny which are new.
  void tick(Nanoseconds now);
  bool sweeping() const { return sweep_.running(); }
  /// Closes flows that are over at a time, a slice of them; begins anew no more often than once in a second. True:
  /// those were all.
  bool expire_some(Nanoseconds now);
  /// Closes flows from an id on, likewise.
  bool close_some(FlowId& next);

  const RoceTable& table() const { return table_; }
  FlowRecord record(FlowId id) const;

 private:
  /// A packet of the burst on its way.
  struct Carried {
    Segment* frame;
    uint64_t hash;
    FlowId likely;  // see RoceTable::prefetch_flow()
    RoceKey key;
    RocePacket packet;
  };

  bool read(Segment* frame, Carried& to) const;
  bool carry(const Carried& carried);
  bool carry_unknown(const Carried& carried);
  FlowId open(const Carried& carried);
  FlowId make_room(const Carried& carried);
  void forward(RoceFlow& flow, Segment* frame);
  void forward_anew(RoceFlow& flow, Segment* frame);
  bool passes_duties(const RoceFlow& flow, const Carried& carried);
  void count(const Carried& carried, FlowId id);
  void count_trouble(FlowId id, RoceTrouble trouble);

  static PolicyKey policy_key(const RoceKey& key, uint16_t arrival, wire::RoceClass kind);
  Judgement judge(const RoceKey& key, uint16_t arrival, wire::RoceClass kind) const;
  PolicyDuties duties(const RoceKey& key, uint16_t arrival, wire::RoceClass kind) const;
  PolicyDuties duties(const RoceFlow& flow) const;
  uint8_t allowed_classes(const RoceKey& key, uint16_t arrival) const;
  bool judge_again(FlowId id);
  bool look_again(FlowId id);
  void take_up_duties(RoceFlow& flow, const PolicyDuties& duties);
  void close(FlowId id);
  void report_opened(FlowId id, const RocePacket& packet);
  void report(FlowEventKind kind, FlowId id);

  LaneShared& shared_;
  LaneCounters& counters_;
  Gateway& gateway_;
  FlowStage& flows_;
  const Snapshot* snapshot_ = nullptr;
  RoceTable table_;
  Sweep sweep_{2};
  Nanoseconds time_ = 0;
  uint32_t now_ = 0;
  uint32_t looked_at_ = 0;
  uint32_t places_left_ = 0;     // of one look at all of them
  uint8_t policies_number_ = 0;  // of the policies in force, for RoceFlow::judged
  bool guarded_ = false;         // sources are bound to ports
};

}  // namespace flatproxy
