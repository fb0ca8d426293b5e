#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "peers.h"
#include "support/faulty_link.h"
#include "support/world.h"

namespace flatproxy::sim {

using test::Dice;
using test::World;

/// Called for each frame that an engine is given or has sent.
using Trace = std::function<void(const Segment* frame, Nanoseconds time)>;

/// One run of whole engines: clients behind a listener's node, servers behind it or behind a second node, fault ports
/// that lose, double, reorder, corrupt and delay, links that pause. Or a node intercepts, as a router or between joined
/// ports. All that happens follows from the seed.
class Simulation {
 public:
  explicit Simulation(uint64_t seed, Trace trace = {});

  /// Runs to the end. Nothing: every stream arrived exact or was ended with a reason, nothing is left, no timer ran
  /// wild. Else what is wrong.
  std::optional<std::string> run();
  /// What this seed is about, for whoever looks at it.
  std::string describe() const;

 private:
  void make_nodes();
  void draw_plans();
  void make_peers(bool simple_clients, bool simple_servers);
  bool turn();
  bool move(World& node, unsigned port, const std::function<void(const Segment*)>& to);
  void cross(World& from, unsigned from_port, World& to, unsigned to_port);
  Nanoseconds next_deadline() const;
  std::optional<std::string> judge() const;

  const uint64_t seed_;
  Dice dice_;
  Trace trace_;
  Faults faults_;
  unsigned lanes_;
  bool two_nodes_;
  bool pauses_;
  bool intercepts_;
  bool joined_;
  std::vector<Plan> plans_;  // of connections
  std::vector<std::unique_ptr<World>> nodes_;
  std::unique_ptr<Peers> clients_;
  std::unique_ptr<Peers> servers_;
  Nanoseconds paused_until_ = 0;
  uint64_t turns_ = 0;
  Nanoseconds now_ = 1'000'000'000;
};

}  // namespace flatproxy::sim
