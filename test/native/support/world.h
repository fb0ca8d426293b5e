#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/plan.h"
#include "lane/lane.h"
#include "port/impairment.h"
#include "port/memory.h"
#include "support/frames.h"
#include "support/plans.h"

namespace flatproxy::test {

/// A node in one thread under a clock that the test moves: some lanes, memory ports named a, b, c..., a mesh in the
/// plan's JSON. Neighbours answer ARP and ND by themselves unless told otherwise: everyone's MAC is
/// 02:00:00:01:00:<port>.
class World {
 public:
  struct Options {
    unsigned lanes = 1;
    unsigned ports = 2;         ///< port i has 10.0.i.1/24 and fd00:0:0:i::1/64
    std::string routes = "[]";  ///< beside the connected ones, as in the plan
    std::string services = "[]";
    std::string flows{};  ///< members of the plan's `flows` that differ from the defaults, "\"track\":\"all\","
    uint32_t capacity = 4096;
    std::string listeners = "[]";
    std::string http_routes = "[]";
    std::string workloads = "[]";
    std::string policies{};  ///< a plan's `policies`; empty: none
    bool neighbors_answer = true;
    unsigned linked = ~0u;  ///< a port with another node behind, which answers for itself
    unsigned first_subnet = 0;
    unsigned host = 1;
    uint64_t seed = 11;
    std::optional<Faults> faults{};  ///< of every port
    bool joined = false;             ///< the first two ports with each other
    /// The node's own stack is behind the first port, as if it were an interface; the World's last port is its side.
    bool node = false;
    bool claims = false;  ///< ports take only the replies that they were told of, as it were
  };
  explicit World(Options options);
  ~World();

  /// Hands a frame to a lane's queue of a port and runs until nothing moves.
  void send(unsigned port, const Frame& frame, unsigned queue = 0, uint16_t vlan = 0);
  /// Hands a frame to a lane's queue of a port; run() carries it.
  void inject(unsigned port, Segment* frame, unsigned queue = 0) {
    if (on_inject) on_inject(frame);
    ports_[port]->inject(queue, frame);
  }
  std::function<void(const Segment*)> on_inject;
  /// What came out of a port since the last call, as describe() says it; ARP and ND left out.
  std::vector<std::string> take(unsigned port);
  /// The frames themselves; the World keeps them until the next call.
  std::vector<Segment*> take_frames(unsigned port);
  void run(Nanoseconds duration = 0);  ///< lets time pass in steps of at most 100 ms

  // For whoever moves the clock in person.
  bool pass();  ///< one pass of every lane; true: something moved
  void pass_to(Nanoseconds now) { now_ = std::max(now_, now); }
  Nanoseconds next_deadline() const;
  size_t claimed() const { return claims_->size(); }  ///< replies that ports were told of, and not told off
  uint32_t buffers_in_use() const;                    ///< of all pools, the World's own apart
  void apply(const std::string& services, const std::string& listeners = "[]", const std::string& http_routes = "[]");
  /// Changes the policies alone, or the workloads.
  void apply_policies(const std::string& policies);
  void apply_workloads(const std::string& workloads);
  uint64_t count(Reason reason) const;
  uint32_t flows() const;
  const Snapshot& snapshot() const { return *snapshot_; }
  Lane& lane(unsigned i) { return *lanes_[i]; }
  LaneShared& shared() { return *shared_; }
  Buffers& buffers() { return buffers_; }
  const wire::Mac& mac(unsigned port) const { return ports_[port]->info().mac; }
  Nanoseconds now() const { return now_; }

 private:
  void pass_until_quiet();
  void adopt_plan();
  OpenedPort open_port(uint16_t id, const std::string& name);
  std::shared_ptr<MemoryPort> open_node();
  bool collect(unsigned port);

  Options options_;
  Plan plan_;
  Buffers buffers_{16384, 4096};
  std::shared_ptr<std::set<std::string>> claims_ = std::make_shared<std::set<std::string>>();
  std::vector<std::shared_ptr<MemoryPort>> ports_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::unique_ptr<LaneShared> shared_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<std::vector<Segment*>> came_;
  std::vector<Segment*> handed_out_;
  Nanoseconds now_ = 1'000'000'000;
};

}  // namespace flatproxy::test
