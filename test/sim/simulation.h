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

constexpr Nanoseconds kMillisecond = 1'000'000, kSecond = 1'000 * kMillisecond;

/// Called for each frame that an engine is given or has sent.
using Trace = std::function<void(const Segment* frame, Nanoseconds time)>;

/// One run of whole engines: clients behind the first node, servers behind the last, fault ports that lose, double,
/// reorder, corrupt and delay, links that pause. All that happens follows from the seed.
class Simulation {
 public:
  virtual ~Simulation() = default;
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  /// Runs to the end. Nothing: all was as planned, or ended with a reason; nothing is left, no timer ran wild. Else
  /// what is wrong.
  std::optional<std::string> run();
  /// What this seed is about, for whoever looks at it.
  virtual std::string describe() const = 0;

 protected:
  /// Draws faults and the number of lanes.
  Simulation(uint64_t seed, Trace trace);
  void add_node(const World::Options& options);
  /// What concerns every kind, for describe().
  std::string describe_links() const;
  /// Nothing is lost, doubled, corrupted or held up.
  bool faultless() const;
  /// What was planned for this time, beside the peers' doing.
  virtual void change(Nanoseconds) {}
  virtual Nanoseconds next_change() const { return kNever; }
  /// What is wrong when all has ended, and nothing is left.
  virtual std::optional<std::string> judge() const = 0;

  const uint64_t seed_;
  Dice dice_;
  Faults faults_;
  unsigned lanes_;
  bool pauses_ = false;
  std::vector<std::unique_ptr<World>> nodes_;
  std::unique_ptr<Peers> clients_;
  std::unique_ptr<Peers> servers_;
  Nanoseconds now_ = kSecond;

 private:
  bool turn();
  bool move(World& node, unsigned port, const std::function<void(const Segment*)>& to);
  void cross(World& from, unsigned from_port, World& to, unsigned to_port);
  Nanoseconds next_deadline() const;
  std::optional<std::string> find_left_over() const;

  Trace trace_;
  Nanoseconds paused_until_ = 0;
  uint64_t turns_ = 0;
};

}  // namespace flatproxy::sim
