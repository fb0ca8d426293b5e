#pragma once

#include "simulation.h"
#include "tcp_peers.h"

namespace flatproxy::sim {

/// TCP connections, relayed from a listener to an endpoint by one node or by two in a row. Or a node intercepts, as a
/// router or between joined ports. Every stream arrives exact, or ends with a reason.
class TcpSimulation : public Simulation {
 public:
  explicit TcpSimulation(uint64_t seed, Trace trace = {});
  std::string describe() const override;

 private:
  void make_nodes();
  void draw_plans();
  void make_peers(bool simple_clients, bool simple_servers);
  std::optional<std::string> judge() const override;

  bool two_nodes_;
  bool intercepts_;
  bool joined_;
  std::vector<Plan> plans_;  // of connections
  const TcpPeers* openers_ = nullptr;
};

}  // namespace flatproxy::sim
