#include "simulation.h"

#include <algorithm>

#include "packet/frame.h"

namespace flatproxy::sim {
namespace {

/// Nothing of TCP takes so long but TIME-WAIT behind a relay's idle timeout.
constexpr Nanoseconds kLongest = 20'000 * kSecond;
/// Turns without anything to do in a virtual second: more of them are a timer storm.
constexpr uint64_t kTurnsPerSecond = 60'000;

std::string text_of(const Faults& faults) {
  const auto rate = [](const char* name, double share) {
    return std::string(name) + " " + std::to_string(share) + " ";
  };
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
}

void Simulation::add_node(const World::Options& options) {
  nodes_.push_back(std::make_unique<World>(options));
  if (trace_) nodes_.back()->on_inject = [this](const Segment* frame) { trace_(frame, now_); };
}

std::string Simulation::describe_links() const {
  return std::to_string(lanes_) + " lanes" + (pauses_ ? ", pauses" : "") + "; " + text_of(faults_);
}

bool Simulation::faultless() const {
  return faults_.drop == 0 && faults_.corrupt == 0 && faults_.duplicate == 0 && !pauses_;
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
  change(now_);
  if (now_ < paused_until_) return moved;
  if (pauses_ && dice_.below(20'000) == 0) paused_until_ = now_ + dice_.below(2'000) * kMillisecond;
  if (nodes_.size() == 2) {
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
  Nanoseconds next = std::min({clients_->next_deadline(), servers_->next_deadline(), next_change()});
  for (const auto& node : nodes_) next = std::min(next, node->next_deadline());
  return std::max(next, paused_until_);
}

std::optional<std::string> Simulation::run() {
  const Nanoseconds start = now_;
  Nanoseconds quiet_since = 0;
  for (;;) {
    if (!turn()) now_ = std::max(now_ + 1000, next_deadline());
    const Nanoseconds passed = now_ - start;
    if (++turns_ > kTurnsPerSecond * (passed / kSecond + 10))
      return "a timer storm: " + std::to_string(turns_) + " turns";
    if (!clients_->problem().empty()) return "a client: " + clients_->problem();
    if (!servers_->problem().empty()) return "a server: " + servers_->problem();
    if (!clients_->done() || !servers_->done())
      quiet_since = 0;
    else if (quiet_since == 0)
      quiet_since = now_;
    // What waits in TIME-WAIT, or for a lost end, takes its time.
    if (quiet_since != 0 && now_ - quiet_since > 300 * kSecond) {
      const std::optional<std::string> left = find_left_over();
      return left ? left : judge();
    }
    if (passed > kLongest) return "it does not end";
  }
}

std::optional<std::string> Simulation::find_left_over() const {
  for (const auto& node : nodes_) {
    for (unsigned lane = 0; lane < lanes_; ++lane) {
      if (node->lane(lane).tcp().stack().connections() != 0) return "connections are left";
      if (!node->lane(lane).tcp().drained()) return "pairs are left";
      if (node->lane(lane).tcp().links() != 0) return "ways are left";
    }
    if (node->buffers_in_use() != 0) return std::to_string(node->buffers_in_use()) + " buffers are left";
  }
  if (clients_->buffers_in_use() + servers_->buffers_in_use() != 0) return "buffers of the peers are left";
  return std::nullopt;
}

}  // namespace flatproxy::sim
