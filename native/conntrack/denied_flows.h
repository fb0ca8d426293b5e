#pragma once

#include <cstdint>

#include "conntrack/flow_record.h"
#include "conntrack/region.h"
#include "packet/flow_hash.h"

namespace flatproxy {

/// Flows that a lane has refused of late: a flow is told once, and not with every packet that its sender tries again
/// with. Bounded: where many are refused at once, the one that has been quiet for longest makes room.
class DeniedFlows {
 public:
  static constexpr uint32_t kSets = 2048;
  static constexpr uint32_t kWays = 8;
  static constexpr uint32_t kIdle = 30'000;  ///< milliseconds without a packet: the flow is over

  /// Hears of flows as they begin and end here. Called on the lane.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void flow_denied(const FlowRecord& flow) = 0;  ///< its first packet has been refused
    virtual void denied_flow_over(const FlowRecord& flow) = 0;
  };

  DeniedFlows(const HashKey& key, Listener& listener)
      : key_(key), listener_(listener), tags_(kSets * kWays), flows_(kSets * kWays) {}

  /// One more packet that did not pass. `refused` is counted as its first one, and opens a flow unless it has one: of
  /// the same tuple, queue pair, port and reason. True: it has opened one.
  bool add(const FlowRecord& refused, uint32_t now);
  /// Ends flows that were quiet for so many milliseconds; looks at `sets` of kWays each, in turn.
  void expire(uint32_t now, uint32_t sets, uint32_t idle = kIdle);
  bool empty() const { return in_use_ == 0; }
  /// The flow at a place below kSets * kWays, or nullptr.
  const FlowRecord* at(uint32_t place) const { return tags_[place] != 0 ? &flows_[place] : nullptr; }

 private:
  uint32_t quiet_place(uint32_t first, uint32_t now) const;
  void end(uint32_t place);

  HashKey key_;
  Listener& listener_;
  Region<uint32_t> tags_;  // of the flows' hashes, by place; 0: it is free
  Region<FlowRecord> flows_;
  uint32_t in_use_ = 0;
  uint32_t next_set_ = 0;
};

}  // namespace flatproxy
