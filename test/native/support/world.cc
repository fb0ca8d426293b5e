#include "support/world.h"

#include <algorithm>
#include <random>
#include <set>
#include <utility>

#include "packet/frame.h"
#include "port/fault.h"

namespace flatproxy::test {
namespace {

/// A port that counts what it is told to take.
class ClaimingPort : public Port {
 public:
  ClaimingPort(std::shared_ptr<Port> inner, std::shared_ptr<std::set<std::string>> claims)
      : Port(inner->info()), inner_(std::move(inner)), claims_(std::move(claims)) {}
  PortQueue& queue(unsigned lane) override { return inner_->queue(lane); }
  bool wants_claims() const override { return true; }
  bool claim(const Tuple& tuple) override {
    claims_->insert(text_of(tuple));
    return true;
  }
  void unclaim(const Tuple& tuple) override { claims_->erase(text_of(tuple)); }

 private:
  static std::string text_of(const Tuple& t) {
    return t.source.to_string() + " " + std::to_string(t.source_port) + " " + t.destination.to_string() + " " +
           std::to_string(t.destination_port);
  }
  std::shared_ptr<Port> inner_;
  std::shared_ptr<std::set<std::string>> claims_;
};

}  // namespace

World::World(Options options)
    : options_(std::move(options)),
      plan_{options_.ports,     options_.routes,       options_.services, options_.flows,  options_.capacity,
            options_.listeners, options_.first_subnet, options_.host,     options_.joined, options_.http_routes},
      ports_(options_.ports + (options_.node ? 1 : 0)),
      came_(ports_.size()) {
  shared_ = std::make_unique<LaneShared>(options_.lanes, options_.capacity * options_.lanes, hash_key(options_.seed),
                                         std::mt19937_64(options_.seed));
  const auto open = [this](uint16_t id, const std::string& name, const std::string&) { return open_port(id, name); };
  plan_.node = options_.node;
  plan_.workloads = options_.workloads;
  if (!options_.policies.empty()) plan_.policies = options_.policies;
  snapshot_ = build_snapshot(plan_.text(1, true), nullptr, open);
  for (unsigned i = 0; i < options_.lanes; ++i) {
    lanes_.push_back(std::make_unique<Lane>(i, *shared_, Lane::Capacity{options_.capacity, 4096}));
    lanes_.back()->adopt(*snapshot_, now_);
  }
}

std::shared_ptr<MemoryPort> World::open_node() {
  PortInfo info;
  info.name = "node";
  info.mac = own_mac(options_.first_subnet * 100 + options_.ports);
  info.offloads = {true, true, true};
  info.takes_any_mac = true;
  info.only_peer = peer_mac(options_.ports);
  return std::make_shared<MemoryPort>(info, options_.lanes, MemoryOptions{.ring_size = 4096, .same_thread = true});
}

OpenedPort World::open_port(uint16_t id, const std::string& name) {
  PortInfo info;
  info.id = id;
  info.name = name;
  info.mac = own_mac(options_.first_subnet * 100 + id);
  info.offloads = {true, true, true};
  ports_[id] =
      std::make_shared<MemoryPort>(info, options_.lanes, MemoryOptions{.ring_size = 4096, .same_thread = true});
  if (options_.claims) return std::make_shared<ClaimingPort>(ports_[id], claims_);
  if (options_.node && id == 0) {
    OpenedPort opened(ports_[id]);
    opened.host = ports_[options_.ports] = open_node();
    return opened;
  }
  if (!options_.faults) return ports_[id];
  Faults faults = *options_.faults;
  faults.seed += id;
  return std::make_shared<FaultPort>(ports_[id], options_.lanes, faults);
}

World::~World() {
  for (unsigned port = 0; port < ports_.size(); ++port) take_frames(port);
  lanes_.clear();
  snapshot_.reset();  // fault ports hold frames of the lanes' pools
  for (Segment* frame : handed_out_) release(frame);
}

void World::apply(const std::string& services, const std::string& listeners, const std::string& http_routes) {
  plan_.services = services;
  plan_.listeners = listeners;
  plan_.http_routes = http_routes;
  adopt_plan();
}

void World::apply_policies(const std::string& policies) {
  plan_.policies = policies;
  adopt_plan();
}

void World::apply_workloads(const std::string& workloads) {
  plan_.workloads = workloads;
  adopt_plan();
}

void World::adopt_plan() {
  const auto open = [](uint16_t, const std::string&, const std::string&) -> std::shared_ptr<Port> { return nullptr; };
  auto next = build_snapshot(plan_.text(snapshot_->generation + 1, false), snapshot_.get(), open);
  for (auto& lane : lanes_) lane->adopt(*next, now_);
  snapshot_ = next;
}

void World::send(unsigned port, const Frame& frame, unsigned queue, uint16_t vlan) {
  Frame addressed = frame;
  Segment* segment = addressed.macs(peer_mac(port), mac(port)).build(buffers_);
  if (vlan != 0) tag(segment, vlan);
  ports_[port]->inject(queue, segment);
  pass_until_quiet();
}

void World::pass_until_quiet() {
  while (pass()) continue;
}

bool World::pass() {
  bool moved = false;
  for (auto& lane : lanes_) moved |= lane->iterate(now_ += 1000);
  for (unsigned port = 0; port < ports_.size(); ++port) moved |= collect(port);
  return moved;
}

Nanoseconds World::next_deadline() const {
  Nanoseconds next = kNever;
  for (const auto& lane : lanes_) next = std::min(next, lane->next_deadline(now_));
  return next;
}

uint32_t World::buffers_in_use() const {
  uint32_t total = 0;
  for (const auto& lane : lanes_) {
    const Buffers& buffers = lane->buffers();
    total += buffers.small.in_use() + buffers.large.in_use() + buffers.loans.in_use();
  }
  return total;
}

bool World::collect(unsigned port) {
  bool any = false;
  Segment* frames[64];
  for (unsigned queue = 0; queue < options_.lanes; ++queue) {
    while (const uint32_t n = ports_[port]->take_burst(queue, frames, 64)) {
      for (uint32_t i = 0; i < n; ++i) {
        any = true;
        const bool answers = options_.neighbors_answer && port != options_.linked;
        Segment* answer = answers ? neighbor_answer(frames[i], peer_mac(port), buffers_) : nullptr;
        if (answer != nullptr) {
          ports_[port]->inject(0, answer);
          release(frames[i]);
        } else {
          came_[port].push_back(frames[i]);
        }
      }
    }
  }
  return any;
}

std::vector<Segment*> World::take_frames(unsigned port) {
  for (Segment* frame : handed_out_) release(frame);
  handed_out_ = std::move(came_[port]);
  came_[port].clear();
  return handed_out_;
}

std::vector<std::string> World::take(unsigned port) {
  std::vector<std::string> texts;
  for (const Segment* frame : take_frames(port)) texts.push_back(describe(frame));
  return texts;
}

void World::run(Nanoseconds duration) {
  constexpr Nanoseconds kStep = 100'000'000;
  for (Nanoseconds left = duration;;) {
    pass_until_quiet();
    if (left == 0) return;
    const Nanoseconds step = std::min(left, kStep);
    now_ += step;
    left -= step;
  }
}

uint64_t World::count(Reason reason) const {
  uint64_t total = 0;
  for (const auto& lane : lanes_) total += lane->counters().reasons[static_cast<size_t>(reason)].packets.read();
  return total;
}

uint32_t World::flows() const {
  uint32_t total = 0;
  for (const auto& lane : lanes_) total += lane->flows().conntrack().table().size();
  return total;
}

}  // namespace flatproxy::test
