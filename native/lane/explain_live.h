#pragma once

#include "lane/explain.h"
#include "lane/lane_thread.h"
#include "lane/shared.h"

namespace flatproxy {

/// Explains on a lane between two of its bursts, so that what it says is of one moment.
class ExplainOnLane : public LaneTask {
 public:
  ExplainOnLane(const Snapshot& snapshot, const LaneShared& shared, const FirstPacket& packet)
      : snapshot_(snapshot), shared_(shared), packet_(packet) {}
  bool step(Lane& lane, Nanoseconds now) override;

  Explanation explanation;
  bool known = false;  ///< the packet belongs to a flow or connection of this lane
  unsigned home = 0;   ///< the lane that would open it, if none knows it

 private:
  bool explain_roce(const RoceStage& stage);

  const Snapshot& snapshot_;
  const LaneShared& shared_;
  const FirstPacket& packet_;
};

}  // namespace flatproxy
