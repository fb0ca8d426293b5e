#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "balance/maglev.h"
#include "balance/ring_hash.h"
#include "conntrack/region.h"

namespace flatproxy {

enum class Balance : uint8_t { maglev, round_robin, least_request, ring_hash };

/// Health of every endpoint, by endpoint id: one writer (the prober), read by all lanes.
class EndpointHealth {
 public:
  explicit EndpointHealth(uint32_t endpoints) : down_(endpoints) {}
  bool healthy(uint32_t id) const { return down_[id].load(std::memory_order_relaxed) == 0; }
  void set(uint32_t id, bool healthy) { down_[id].store(healthy ? 0 : 1, std::memory_order_relaxed); }

 private:
  Region<std::atomic<uint8_t>> down_;  // zero, healthy, until somebody says otherwise
};

/// What a lane keeps for balancing.
struct LaneBalance {
  uint32_t* next_in_turn;       ///< round robin's positions, by service id
  uint32_t* open_flows;         ///< by endpoint id
  uint32_t* passed_over_until;  ///< endpoints that have failed requests, by endpoint id; seconds
  const EndpointHealth& health;
  uint32_t now = 0;        ///< seconds
  uint32_t avoided = ~0u;  ///< the id of an endpoint that a request has failed at: only if there is no other
  bool usable(uint32_t id) const { return health.healthy(id) && passed_over_until[id] <= now && id != avoided; }
};

/// Chooses an endpoint of one service and one address family. Built with the snapshot, immutable, shared by all lanes;
/// what changes while it is used stands in LaneBalance and EndpointHealth.
/// - maglev, ring hash: by the hash alone (maglev.h, ring_hash.h). Flows of an unhealthy endpoint are spread over the
///   others by further hashes; nobody else's move.
/// - round robin: in turn, on each lane for itself, as often as the weight says and evenly interleaved. Weights whose
///   sum, divided by what they have in common, is above 4096 are rounded to shares of that.
/// - least request: the fewest flows open on this lane for its weight, out of all up to 64 candidates, out of two drawn
///   by the hash above that ("power of two choices", Mitzenmacher 2001).
class Picker {
 public:
  struct Candidate {
    uint32_t id;         ///< endpoint id
    uint32_t index;      ///< index in Service::endpoints
    uint16_t weight;     ///< 0: never chosen
    bool drain;          ///< never chosen for a new flow; its share goes to the others
    uint64_t name_hash;  ///< of address and port: places in the Maglev table depend on nothing else
  };
  static constexpr uint32_t kNone = ~0u;

  Picker() = default;
  Picker(Balance balance, uint32_t service_id, std::vector<Candidate> candidates);

  /// The index in Service::endpoints of the endpoint for a new flow, or kNone when there is none to choose.
  /// Endpoints that are unhealthy, or have failed, are passed over; when all are, all are candidates again (panic mode,
  /// as Envoy's).
  /// @param hash of the whole flow, or of the client's address alone with affinity
  uint32_t pick(uint64_t hash, const LaneBalance& lane) const;
  /// What pick() would give now; nothing changes.
  uint32_t peek(uint64_t hash, const LaneBalance& lane) const;
  bool empty() const { return candidates_.empty(); }
  /// Whether pick() looks at the hash.
  bool asks_hash() const { return balance_ != Balance::round_robin; }

 private:
  uint32_t in_panic(uint32_t place, const LaneBalance& lane) const;
  template <typename Table>
  uint32_t pick_by_hash(const Table& table, uint64_t hash, const LaneBalance& lane) const;
  uint32_t pick_round_robin(const LaneBalance& lane) const;
  uint32_t pick_least_request(uint64_t hash, const LaneBalance& lane) const;

  Balance balance_ = Balance::maglev;
  uint32_t service_id_ = 0;
  std::vector<Candidate> candidates_;  // those that may be chosen: not drained, weight above 0
  Maglev maglev_;
  RingHash ring_;
  std::vector<uint32_t> turns_;  // round robin: indexes into candidates_, as often as their weight says
};

}  // namespace flatproxy
