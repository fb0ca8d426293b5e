#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "lane/explain_live.h"
#include "support/world.h"

namespace flatproxy::test {

/// As Engine::explain() asks its lanes.
inline Explanation ask(World& world, unsigned lanes, const FirstPacket& packet) {
  std::vector<std::unique_ptr<ExplainOnLane>> tasks;
  for (unsigned i = 0; i < lanes; ++i) {
    tasks.push_back(std::make_unique<ExplainOnLane>(world.snapshot(), world.shared(), packet));
    tasks.back()->step(world.lane(i), world.now());
  }
  return told_best(tasks);
}

/// The same of a frame.
inline FrameExplanation ask(World& world, unsigned lanes, uint16_t port, std::span<const uint8_t> frame) {
  return explain_everywhere([&](std::optional<uint32_t> ports) {
    std::vector<std::unique_ptr<ExplainFrameOnLane>> tasks;
    for (unsigned i = 0; i < lanes; ++i) {
      tasks.push_back(std::make_unique<ExplainFrameOnLane>(world.snapshot(), world.shared(), port, frame, ports));
      tasks.back()->step(world.lane(i), world.now());
    }
    return tasks;
  });
}

/// Whether it is how frames of the node's own end, or of its neighbours that answer.
inline bool is_of_us(Reason reason) {
  return reason == Reason::originated || reason == Reason::arp_answered || reason == Reason::nd_answered ||
         reason == Reason::neighbor_learned || reason == Reason::mirrored || reason == Reason::mirror_lost;
}

/// How many packets have ended how.
inline std::map<Reason, uint64_t> counts_of(const World& world) {
  std::map<Reason, uint64_t> counts;
  for (size_t i = 0; i < kReasons; ++i) counts[static_cast<Reason>(i)] = world.count(static_cast<Reason>(i));
  return counts;
}

}  // namespace flatproxy::test
