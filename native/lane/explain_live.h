#pragma once

#include <optional>
#include <span>

#include "lane/explain.h"
#include "lane/explain_frame.h"
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

/// The same of a frame.
class ExplainFrameOnLane : public LaneTask {
 public:
  /// @param ports what another lane knows of a later fragment
  ExplainFrameOnLane(const Snapshot& snapshot, const LaneShared& shared, uint16_t port, std::span<const uint8_t> frame,
                     std::optional<uint32_t> ports)
      : snapshot_(snapshot), shared_(shared), port_(port), frame_(frame) {
    frame_.ports = ports;
  }
  bool step(Lane& lane, Nanoseconds now) override;

  FrameExplanation explanation;
  bool known = false;
  unsigned home = 0;

 private:
  const Snapshot& snapshot_;
  const LaneShared& shared_;
  uint16_t port_;
  FrameInHand frame_;
};

/// What the lane says that has the packet's flow or would open it, out of what all have said.
template <typename Tasks>
auto& told_best(Tasks& tasks) {
  for (auto& task : tasks) {
    if (task->known) return task->explanation;
  }
  return tasks[tasks[0]->home]->explanation;
}

/// Asks all lanes about a frame. @param ask (ports) gives pointers to an ExplainFrameOnLane of each lane, after its
/// step
template <typename Ask>
FrameExplanation explain_everywhere(Ask&& ask) {
  auto tasks = ask(std::optional<uint32_t>{});
  if (tasks.size() == 1) return std::move(tasks[0]->explanation);
  // Fragments meet on one lane, and their flow may be on another one.
  for (const auto& task : tasks) {
    const auto ports = task->explanation.ports;
    if (!ports) continue;
    tasks = ask(ports);
    break;
  }
  return std::move(told_best(tasks));
}

}  // namespace flatproxy
