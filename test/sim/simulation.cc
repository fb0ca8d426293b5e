#include "simulation.h"

#include <algorithm>

#include "packet/frame.h"
#include "support/plans.h"

namespace flatproxy::sim {
namespace {

constexpr Nanoseconds kMillisecond = 1'000'000, kSecond = 1'000 * kMillisecond;
/// Nothing of TCP takes so long but TIME-WAIT behind a relay's idle timeout.
constexpr Nanoseconds kLongest = 20'000 * kSecond;
/// Of whom the other side has forgotten, and whose reset was lost, the relay hears nothing for so long.
constexpr const char* kIdle = "\"idleTimeout\":200000,";
/// Turns without anything to do in a virtual second: more of them are a timer storm.
constexpr uint64_t kTurnsPerSecond = 60'000;

std::string text_of(const Faults& faults) {
  const auto rate = [](const char* name, double share) { return std::string(name) + " " + std::to_string(share) + " "; };
  return rate("drop", faults.drop) + rate("duplicate", faults.duplicate) + rate("reorder", faults.reorder) +
         rate("corrupt", faults.corrupt) + "delay " + std::to_string(faults.delay / 1000) + " us";
}

Faults draw_faults(Dice& dice) {
  Faults faults;
  faults.seed = dice.next();
  if (dice.below(8) == 0) return faults;
  faults.drop = dice.below(400) / 1e4;
  faults.duplicate = dice.below(200) / 1e4;
  faults.reorder = dice.below(1000) / 1e4;
  faults.corrupt = dice.below(4) == 0 ? dice.below(100) / 1e4 : 0;
  faults.delay = dice.below(30'000) * 1000;
  return faults;
}

}  // namespace

Simulation::Simulation(uint64_t seed, Trace trace) : seed_(seed), dice_(seed), trace_(std::move(trace)) {
  faults_ = draw_faults(dice_);
  lanes_ = 1 + dice_.below(3);
  two_nodes_ = dice_.below(3) == 0;
  pauses_ = dice_.below(3) == 0;
  intercepts_ = !two_nodes_ && dice_.below(4) == 0;
  joined_ = intercepts_ && dice_.below(2) == 0;
  // MACs are copied from frames that came, and no checksum of IP's or TCP's covers them: Ethernet's own does.
  if (joined_) faults_.corrupt = 0;
  make_nodes();
}

std::string Simulation::describe() const {
  return "seed " + std::to_string(seed_) + ": " + std::to_string(plans_.size()) + " connections, " +
         std::to_string(lanes_) + " lanes" + (two_nodes_ ? ", two nodes" : "") +
         (joined_ ? ", joined" : intercepts_ ? ", intercepted" : "") + (pauses_ ? ", pauses" : "") + "; " +
         text_of(faults_);
}

void Simulation::make_nodes() {
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
  nodes_.push_back(std::make_unique<World>(options));
  if (two_nodes_) {
    options.first_subnet = 1;
    options.host = 254;
    options.linked = 0;
    options.seed = seed_ + 1;
    options.faults->seed += 100;
    options.listeners = test::listener_json("10.0.1.254", 8080, kIdle);
    options.services = test::service_json({"10.0.2.2"}, "10.9.9.9");
    nodes_.push_back(std::make_unique<World>(options));
  }
  if (trace_) {
    for (auto& node : nodes_) node->on_inject = [this](const Segment* frame) { trace_(frame, now_); };
  }
  draw_plans();
}

void Simulation::draw_plans() {
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

void Simulation::make_peers(bool simple_clients, bool simple_servers) {
  World& front = *nodes_.front();
  World& back = *nodes_.back();
  const std::string server = two_nodes_ ? "10.0.2.2" : "10.0.1.2";
  const std::string nodes_own = two_nodes_ ? "10.0.2.254" : "10.0.1.1";
  if (simple_clients) {
    clients_ = std::make_unique<SimplePeers>(front, 0, "10.0.0.2", "10.8.8.8", plans_, true);
  } else {
    Destination to;
    if (intercepts_) to = {server, 8080, {}};
    if (joined_) to.gateway = test::peer_mac(1);
    clients_ = std::make_unique<StackPeers>(front, 0, "10.0.0.2", plans_, true, to);
  }
  if (simple_servers) {
    servers_ = std::make_unique<SimplePeers>(back, 1, server, nodes_own, plans_, false);
  } else {
    Destination to;
    if (joined_) to.gateway = test::peer_mac(0);
    servers_ = std::make_unique<StackPeers>(back, 1, server, plans_, false, to);
  }
}

bool Simulation::move(World& node, unsigned port, const std::function<void(const Segment*)>& to) {
  const std::vector<Segment*> frames = node.take_frames(port);
  for (const Segment* frame : frames) {
    to(frame);
  }
  return !frames.empty();
}

void Simulation::cross(World& from, unsigned from_port, World& to, unsigned to_port) {
  move(from, from_port, [&](const Segment* frame) {
    Segment* copy = copy_frame(frame, to.buffers());
    if (copy != nullptr) to.inject(to_port, copy, dice_.below(lanes_));
  });
}

// One turn of all at the present time. False: nothing moved.
bool Simulation::turn() {
  bool moved = false;
  for (auto& node : nodes_) {
    node->pass_to(now_);
    moved |= node->pass();
    now_ = std::max(now_, node->now());
  }
  if (now_ < paused_until_) return moved;
  if (pauses_ && dice_.below(20'000) == 0) paused_until_ = now_ + dice_.below(2'000) * kMillisecond;
  if (two_nodes_) {
    cross(*nodes_[0], 1, *nodes_[1], 0);
    cross(*nodes_[1], 0, *nodes_[0], 1);
  }
  const auto traced = [this](Peers& peers) {
    return [this, &peers](const Segment* frame) {
      if (trace_) trace_(frame, now_);
      peers.take(frame);
    };
  };
  moved |= move(*nodes_.front(), 0, traced(*clients_));
  moved |= move(*nodes_.back(), 1, traced(*servers_));
  clients_->step(now_);
  servers_->step(now_);
  return moved;
}

Nanoseconds Simulation::next_deadline() const {
  Nanoseconds next = std::min(clients_->next_deadline(), servers_->next_deadline());
  for (const auto& node : nodes_) next = std::min(next, node->next_deadline());
  return std::max(next, paused_until_);
}

std::optional<std::string> Simulation::run() {
  const Nanoseconds start = now_;
  Nanoseconds quiet_since = 0;
  for (;;) {
    if (!turn()) now_ = std::max(now_ + 1000, next_deadline());
    const Nanoseconds passed = now_ - start;
    if (++turns_ > kTurnsPerSecond * (passed / kSecond + 10)) return "a timer storm: " + std::to_string(turns_) + " turns";
    if (!clients_->problem().empty()) return "a client: " + clients_->problem();
    if (!servers_->problem().empty()) return "a server: " + servers_->problem();
    if (!clients_->done() || !servers_->done()) quiet_since = 0;
    else if (quiet_since == 0) quiet_since = now_;
    // What waits in TIME-WAIT, or for a lost end, takes its time.
    if (quiet_since != 0 && now_ - quiet_since > 300 * kSecond) return judge();
    if (passed > kLongest) return "it does not end";
  }
}

std::optional<std::string> Simulation::judge() const {
  for (const auto& node : nodes_) {
    for (unsigned lane = 0; lane < lanes_; ++lane) {
      if (node->lane(lane).tcp().stack().connections() != 0) return "connections are left";
      if (!node->lane(lane).tcp().drained()) return "pairs are left";
      if (node->lane(lane).tcp().links() != 0) return "ways are left";
    }
    if (node->buffers_in_use() != 0) return std::to_string(node->buffers_in_use()) + " buffers are left";
  }
  if (clients_->buffers_in_use() + servers_->buffers_in_use() != 0) return "buffers of the peers are left";
  const bool faultless = faults_.drop == 0 && faults_.corrupt == 0 && faults_.duplicate == 0 && !pauses_;
  const auto wanted = std::count_if(plans_.begin(), plans_.end(),
                                    [](const Plan& plan) { return plan.end == Plan::End::close; });
  if (faultless && clients_->complete() < static_cast<uint32_t>(wanted))
    return std::to_string(clients_->complete()) + " of " + std::to_string(wanted) + " connections were complete";
  return std::nullopt;
}

}  // namespace flatproxy::sim
