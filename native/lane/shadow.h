#pragma once

#include <cstdint>
#include <memory>
#include <unordered_set>
#include <vector>

#include "lane/start_view.h"
#include "packet/flow_hash.h"

namespace flatproxy {

/// Judges live flows by a snapshot that is not in force, beside the one that is. It works on records of flows alone:
/// lanes know nothing of it.
class Shadow {
 public:
  /// A flow that would fare otherwise.
  struct Difference {
    uint32_t flow;  ///< which of those that were given
    Explanation now;
    Explanation then;
  };

  /// @param since the lanes' clock in milliseconds: of flows that are opened later, events tell
  Shadow(const EndpointHealth& health, std::shared_ptr<const Snapshot> snapshot, uint32_t since)
      : start_(health), snapshot_(std::move(snapshot)), since_(since) {}

  /// The same mesh, beside another snapshot that is in force now.
  void replace(std::shared_ptr<const Snapshot> snapshot) { snapshot_ = std::move(snapshot); }
  /// Flows out of a lane's tables: what would become of them if the snapshot came in force.
  std::vector<Difference> judge_listed(const Snapshot& now, const std::vector<FlowRecord>& flows);
  /// Flows that events tell of: what would have become of them had it been in force.
  std::vector<Difference> judge_told(const Snapshot& now, const std::vector<FlowEvent>& events);
  /// Flows that were judged.
  uint64_t judged() const { return judged_; }

 private:
  struct Hash {
    size_t operator()(const Tuple& tuple) const { return flow_hash(tuple, kBalanceKey); }
  };
  enum class Age : uint8_t { running, opened };

  bool is_later(const FlowRecord& flow) const { return static_cast<int32_t>(flow.opened_at - since_) > 0; }
  bool is_told_anew(const FlowEvent& event);
  void judge(const Snapshot& now, const FlowRecord& flow, Age age, uint32_t place, std::vector<Difference>& to);

  StartView start_;
  std::shared_ptr<const Snapshot> snapshot_;
  uint32_t since_;
  uint64_t judged_ = 0;
  std::unordered_set<Tuple, Hash> connecting_;  // connections that end here, listed before they had their endpoint
};

}  // namespace flatproxy
