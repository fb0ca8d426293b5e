#include "tcp_simulation.h"

#include <algorithm>

#include "support/plans.h"

namespace flatproxy::sim {
namespace {

/// Of whom the other side has forgotten, and whose reset was lost, the relay hears nothing for so long.
constexpr const char* kIdle = "\"idleTimeout\":200000,";

}  // namespace

TcpSimulation::TcpSimulation(uint64_t seed, Trace trace) : Simulation(seed, std::move(trace)) {
  two_nodes_ = dice_.below(3) == 0;
  pauses_ = dice_.below(3) == 0;
  intercepts_ = !two_nodes_ && dice_.below(4) == 0;
  joined_ = intercepts_ && dice_.below(2) == 0;
  // MACs are copied from frames that came, and no checksum of IP's or TCP's covers them: Ethernet's own does.
  if (joined_) faults_.corrupt = 0;
  make_nodes();
  draw_plans();
}

std::string TcpSimulation::describe() const {
  return std::to_string(plans_.size()) + " connections" + (two_nodes_ ? ", two nodes" : "") +
         (joined_       ? ", joined"
          : intercepts_ ? ", intercepted"
                        : "") +
         ", " + describe_links();
}

void TcpSimulation::make_nodes() {
  World::Options options;
  options.lanes = lanes_;
  options.seed = seed_;
  options.capacity = 256;
  options.faults = faults_;
  options.listeners = test::listener_json("10.8.8.8", 9000, kIdle);
  options.services = test::service_json({two_nodes_ ? "10.0.1.254" : "10.0.1.2"}, "10.9.9.9");
  if (two_nodes_) options.linked = 1;
  if (intercepts_) options.listeners = test::intercept_json("10.0.0.0/8", 8080, "null", kIdle);
  options.joined = joined_;
  options.neighbors_answer = !joined_;
  add_node(options);
  if (two_nodes_) {
    options.first_subnet = 1;
    options.host = 254;
    options.linked = 0;
    options.seed = seed_ + 1;
    options.faults->seed += 100;
    options.listeners = test::listener_json("10.0.1.254", 8080, kIdle);
    options.services = test::service_json({"10.0.2.2"}, "10.9.9.9");
    add_node(options);
  }
}

void TcpSimulation::draw_plans() {
  const bool simple_clients = !intercepts_ && dice_.below(4) == 0;
  const bool simple_servers = !intercepts_ && dice_.below(4) == 0;
  const uint32_t most = simple_clients || simple_servers ? 3'000 : 60'000;
  const uint32_t down = dice_.below(most);
  const uint32_t connections = 1 + dice_.below(5);
  for (uint32_t i = 0; i < connections; ++i) {
    Plan plan;
    plan.client_port = static_cast<uint16_t>(33'000 + dice_.below(1000) * 8 + i);
    plan.up = 2 + dice_.below(most);
    plan.down = simple_servers ? down : dice_.below(most);
    plan.down_mark = simple_servers ? uint16_t{0} : plan.client_port;
    const bool may_abort = !simple_clients && !simple_servers && dice_.below(5) == 0;
    if (may_abort) plan.end = dice_.below(2) == 0 ? Plan::End::client_aborts : Plan::End::server_aborts;
    plan.begins = now_ + dice_.below(3'000) * kMillisecond;
    plans_.push_back(plan);
  }
  std::sort(plans_.begin(), plans_.end(), [](const Plan& a, const Plan& b) { return a.begins < b.begins; });
  make_peers(simple_clients, simple_servers);
}

void TcpSimulation::make_peers(bool simple_clients, bool simple_servers) {
  World& front = *nodes_.front();
  World& back = *nodes_.back();
  const std::string server = two_nodes_ ? "10.0.2.2" : "10.0.1.2";
  const std::string nodes_own = two_nodes_ ? "10.0.2.254" : "10.0.1.1";
  std::unique_ptr<TcpPeers> clients;
  if (simple_clients) {
    clients = std::make_unique<SimplePeers>(front, 0, "10.0.0.2", "10.8.8.8", plans_, true);
  } else {
    Destination to;
    if (intercepts_) to = {server, 8080, {}};
    if (joined_) to.gateway = test::peer_mac(1);
    clients = std::make_unique<StackPeers>(front, 0, "10.0.0.2", plans_, true, to);
  }
  openers_ = clients.get();
  clients_ = std::move(clients);
  if (simple_servers) {
    servers_ = std::make_unique<SimplePeers>(back, 1, server, nodes_own, plans_, false);
  } else {
    Destination to;
    if (joined_) to.gateway = test::peer_mac(0);
    servers_ = std::make_unique<StackPeers>(back, 1, server, plans_, false, to);
  }
}

std::optional<std::string> TcpSimulation::judge() const {
  const auto wanted =
      std::count_if(plans_.begin(), plans_.end(), [](const Plan& plan) { return plan.end == Plan::End::close; });
  if (faultless() && openers_->complete() < static_cast<uint32_t>(wanted))
    return std::to_string(openers_->complete()) + " of " + std::to_string(wanted) + " connections were complete";
  return std::nullopt;
}

}  // namespace flatproxy::sim
