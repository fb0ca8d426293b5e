#pragma once

#include <cstdint>

#include "conntrack/expiry_wheel.h"
#include "conntrack/flow.h"
#include "conntrack/flow_index.h"
#include "conntrack/region.h"
#include "packet/flow_hash.h"

namespace flatproxy {

/// Where a packet's tuple stands in the table.
struct FlowMatch {
  FlowId id = kNoFlow;
  Direction direction = kOriginal;
};

/// What a flow's packets are rewritten to on their way to the endpoint.
struct Translation {
  wire::Address destination;
  uint16_t destination_port;
  uint16_t source_port;  ///< the packet's own, unless the endpoint knows that one from another flow of the same client
};

/// Timeouts in milliseconds, by state.
using StateTimeouts = std::array<uint32_t, static_cast<size_t>(FlowState::count)>;

/// A lane's flows: bounded, in memory of its own. A full table gives up the unassured flow that is nearest to its
/// end; when every flow is assured it refuses.
class FlowTable {
 public:
  /// @param capacity flows at most, 1 to FlowIndex::kMaxFlows
  FlowTable(uint32_t capacity, const HashKey& key);

  void prefetch_index(uint64_t hash) const { index_.prefetch(hash); }
  /// Starts loading the record that the hash most likely means, and tells which: kNoFlow if the first place to look at
  /// has none.
  FlowId prefetch_flow(uint64_t hash) const {
    const FlowId id = index_.candidate(hash);
    if (id == kNoFlow) return id;
    __builtin_prefetch(&hot_[id], 1);
    __builtin_prefetch(&cold_[id], 1);
    return id;
  }

  FlowMatch find(const Tuple& tuple, uint64_t hash) const {
    FlowMatch match;
    match.id = index_.find(hash, [&](FlowId id) { return matches(id, tuple, match.direction); });
    return match;
  }
  /// @param likely what prefetch_flow() told; the table may have changed since
  FlowMatch find(const TupleV4& tuple, uint64_t hash, FlowId likely) const {
    FlowMatch match{likely, kOriginal};
    if (likely != kNoFlow && matches(likely, tuple, match.direction)) [[likely]]
      return match;
    match.id = index_.find(hash, [&](FlowId id) { return matches(id, tuple, match.direction); });
    return match;
  }

  /// Opens a flow for a tuple that find() did not find. @param translation nullptr: none; so it is of one with a zone
  /// kNoFlow: the table, or the part of its index where the flow belongs, is full. The caller schedules the flow.
  FlowId open(const Tuple& tuple, uint64_t hash, const Translation* translation);
  /// What a reply to a translated packet of this tuple looks like when it arrives.
  static Tuple reply_to(const Tuple& tuple, const Translation& translation);
  /// The flow to give up so that open() finds room: when the table is full the unassured one that is nearest to its
  /// end, when a part of its index is, an unassured one there. kNoFlow: all of them are assured.
  FlowId victim() const;
  bool full() const { return used_ == capacity_; }
  void close(FlowId id);

  FlowHot& hot(FlowId id) { return hot_[id]; }
  const FlowHot& hot(FlowId id) const { return hot_[id]; }
  FlowCold& cold(FlowId id) { return cold_[id]; }
  const FlowCold& cold(FlowId id) const { return cold_[id]; }
  Tuple original(FlowId id) const;
  /// What a reply looks like when it arrives, before it is translated back.
  Tuple reply(FlowId id) const;
  /// The translated destination of a kFlowTranslated flow.
  wire::Address nat_address(FlowId id) const;

  /// Puts a new flow under the watch of the clock, or one whose timeout has become another.
  void schedule(FlowId id, const StateTimeouts& timeouts);
  void reschedule(FlowId id, const StateTimeouts& timeouts);
  /// Both sides have spoken: the flow is no longer given up for a newer one.
  void assure(FlowId id, const StateTimeouts& timeouts);
  /// A flow whose time is over, or kNoFlow. Flows that were seen meanwhile are put back; at most `budget` of them are
  /// looked at, and `budget` is what is left.
  FlowId take_expired(uint32_t now, const StateTimeouts& timeouts, unsigned& budget);

  uint32_t size() const { return used_; }
  uint32_t capacity() const { return capacity_; }
  uint32_t unassured() const { return unassured_.size(); }
  /// Ids in use lie below this.
  uint32_t id_limit() const { return fresh_; }
  bool in_use(FlowId id) const { return (hot_[id].flags & kFlowInUse) != 0; }
  const HashKey& key() const { return key_; }

 private:
  bool matches(FlowId id, const TupleV4& t, Direction& direction) const {
    const FlowHot& f = hot_[id];
    if (f.protocol != t.protocol || (f.flags & (kFlowInUse | kFlowV6 | kFlowByLink)) != kFlowInUse) return false;
    if (t.addresses == (f.source | uint64_t{f.destination} << 32) &&
        t.ports == (f.destination_port | uint32_t{f.source_port} << 16)) {
      direction = kOriginal;
      return true;
    }
    direction = kReply;
    return t.addresses == (f.nat_address | uint64_t{f.source} << 32) &&
           t.ports == (f.nat_source_port | uint32_t{f.nat_port} << 16);
  }
  bool matches(FlowId id, const Tuple& t, Direction& direction) const {
    if (t.zone != 0) return matches_in_zone(id, t, direction);
    if (t.family != 4) return matches_v6(id, t, direction);
    const TupleV4 short_form{t.source.v4() | uint64_t{t.destination.v4()} << 32,
                             t.destination_port | uint32_t{t.source_port} << 16, t.protocol};
    return matches(id, short_form, direction);
  }
  bool matches_v6(FlowId id, const Tuple& t, Direction& direction) const;
  /// Of both families; such flows are not translated.
  bool matches_in_zone(FlowId id, const Tuple& t, Direction& direction) const;
  ExpiryWheel& wheel(FlowId id) { return (hot_[id].flags & kFlowAssured) != 0 ? assured_ : unassured_; }

  uint32_t capacity_;
  uint32_t used_ = 0;
  uint32_t fresh_ = 0;     // ids [fresh_, capacity_) were never used
  FlowId free_ = kNoFlow;  // list of freed ids, through FlowCold::next
  HashKey key_;
  uint64_t crowded_ = 0;  // the hash that open() found no room for
  FlowIndex index_;
  Region<FlowHot> hot_;
  Region<FlowCold> cold_;
  Region<FlowAddresses6> addresses6_;
  ExpiryWheel unassured_;
  ExpiryWheel assured_;
};

}  // namespace flatproxy
