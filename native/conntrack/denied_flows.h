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
  static constexpr uint32_t kSets = 1024;
  static constexpr uint32_t kWays = 4;
  static constexpr uint32_t kIdle = 30'000;  ///< milliseconds without a packet: the flow is over

  /// Hears of flows as they begin and end here. Called on the lane.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void flow_denied(const FlowRecord& flow) = 0;  ///< its first packet has been refused
    virtual void denied_flow_over(const FlowRecord& flow) = 0;
  };

  DeniedFlows(const HashKey& key, Listener& listener) : key_(key), listener_(listener), entries_(kSets * kWays) {}

  /// One more packet that did not pass. `refused` is counted as its first one, and opens a flow unless it has one: of
  /// the same tuple, port and reason.
  void add(const FlowRecord& refused, uint32_t now);
  /// Ends flows that were quiet for kIdle; looks at `sets` of kWays each, in turn. `now` is in milliseconds.
  void expire(uint32_t now, uint32_t sets);
  /// Ends them all.
  void clear();

 private:
  struct Entry {
    FlowRecord flow;
    bool in_use;
  };
  Entry* set_of(uint64_t hash) { return &entries_[(hash % kSets) * kWays]; }
  void end(Entry& entry);

  HashKey key_;
  Listener& listener_;
  Region<Entry> entries_;
  uint32_t in_use_ = 0;
  uint32_t cursor_ = 0;
};

}  // namespace flatproxy
