#include "lane/engine.h"

#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "lane/explain_live.h"
#include "packet/error.h"

namespace flatproxy {
namespace {

uint64_t random_bits() {
  uint64_t bits = 0;
  while (getrandom(&bits, sizeof(bits), 0) != sizeof(bits)) {
  }
  return bits;
}

class Adopt : public LaneTask {
 public:
  explicit Adopt(const Snapshot& snapshot) : snapshot_(snapshot) {}
  bool step(Lane& lane, Nanoseconds now) override {
    lane.adopt(snapshot_, now);
    return true;
  }

 private:
  const Snapshot& snapshot_;
};

/// Ends with the next pass that a lane makes over its ports: those that watch their lane have heard from it.
class NextPass : public LaneTask {
 public:
  bool step(Lane&, Nanoseconds) override { return true; }
};

/// Walks the table a few hundred records at a time, so that no pass of the lane takes long.
class ListFlows : public LaneTask {
 public:
  ListFlows(FlowId from, uint32_t limit, std::vector<FlowRecord>& out) : next(from), limit_(limit), out_(out) {
    out_.reserve(limit);
  }
  bool step(Lane& lane, Nanoseconds) override {
    if (next >= Engine::kDeniedFlows) {
      list_denied(lane.flows().denied());
    } else if (next >= kFirstRoce) {
      list_roce(lane.roce());
    } else if (next >= kFirstRelayed) {
      list_relayed(lane.tcp());
    } else {
      list_tracked(lane.flows());
    }
    return next == kNoFlow || out_.size() == limit_;
  }
  FlowId next;

 private:
  /// Behind the ids of all flows, those of relayed connections begin; behind these, those of RoCEv2.
  static constexpr FlowId kFirstRelayed = FlowIndex::kMaxFlows;
  static constexpr FlowId kFirstRoce = FlowId{1} << 29;
  static constexpr uint32_t kSlice = 256;

  void list_tracked(FlowStage& flows) {
    const FlowTable& table = flows.conntrack().table();
    const FlowId end = std::min(table.id_limit(), next + kSlice);
    for (; next < end && out_.size() < limit_; ++next) {
      if (table.in_use(next)) out_.push_back(flows.record(next));
    }
    if (next >= table.id_limit()) next = kFirstRelayed;
  }
  void list_relayed(TcpStage& tcp) {
    const FlowId limit = kFirstRelayed + tcp.record_limit();
    const FlowId end = std::min(limit, next + kSlice);
    FlowRecord record;
    for (; next < end && out_.size() < limit_; ++next) {
      if (tcp.record(next - kFirstRelayed, record)) out_.push_back(record);
    }
    if (next >= limit) next = kFirstRoce;
  }
  void list_roce(const RoceStage& roce) {
    const FlowId limit = kFirstRoce + roce.table().id_limit();
    const FlowId end = std::min(limit, next + kSlice);
    for (; next < end && out_.size() < limit_; ++next) {
      if (roce.table().in_use(next - kFirstRoce)) out_.push_back(roce.record(next - kFirstRoce));
    }
    if (next >= limit) next = kNoFlow;
  }
  void list_denied(const DeniedFlows& flows) {
    constexpr FlowId kLimit = Engine::kDeniedFlows + DeniedFlows::kSets * DeniedFlows::kWays;
    const FlowId end = std::min(kLimit, next + kSlice);
    for (; next < end && out_.size() < limit_; ++next) {
      if (const FlowRecord* flow = flows.at(next - Engine::kDeniedFlows); flow != nullptr) out_.push_back(*flow);
    }
    if (next >= kLimit) next = kNoFlow;
  }

  uint32_t limit_;
  std::vector<FlowRecord>& out_;
};

/// Looks for a flow of a service that has not ended, in slices as above. What only waits for late segments has ended.
class AskIdle : public LaneTask {
 public:
  bool step(Lane& lane, Nanoseconds) override {
    constexpr uint32_t kSlice = 1024;
    if (!lane.tcp().drained()) idle = false;
    if (!idle || lane.flows().idle()) return true;
    const FlowTable& table = lane.flows().conntrack().table();
    const FlowId end = std::min(table.id_limit(), next_ + kSlice);
    for (; next_ < end; ++next_) {
      if (table.in_use(next_) && runs(table.hot(next_))) {
        idle = false;
        return true;
      }
    }
    return next_ >= table.id_limit();
  }
  bool idle = true;

 private:
  static bool runs(const FlowHot& flow) {
    return (flow.flags & kFlowTranslated) != 0 && flow.state != FlowState::tcp_time_wait &&
           flow.state != FlowState::tcp_close;
  }
  FlowId next_ = 0;
};

class BeginCapture : public LaneTask {
 public:
  explicit BeginCapture(std::shared_ptr<LiveCapture> capture) : capture_(std::move(capture)) {}
  bool step(Lane& lane, Nanoseconds) override {
    lane.captures().begin(std::move(capture_));
    return true;
  }

 private:
  std::shared_ptr<LiveCapture> capture_;
};

class EndCapture : public LaneTask {
 public:
  explicit EndCapture(const LiveCapture& capture) : capture_(capture) {}
  bool step(Lane& lane, Nanoseconds) override {
    lane.captures().end(capture_);
    return true;
  }

 private:
  const LiveCapture& capture_;
};

/// Who is connected to a listener hears of the end, and so do the endpoints.
class ResetConnections : public LaneTask {
 public:
  bool step(Lane& lane, Nanoseconds) override { return !lane.tcp().reset_some(); }
};

}  // namespace

Engine::Engine(const EngineOptions& options, std::shared_ptr<const Snapshot> snapshot)
    : shared_(static_cast<unsigned>(options.cores.size()), uint64_t{options.flow_capacity} * options.cores.size(),
              options.key, random_bits),
      snapshot_(std::move(snapshot)) {
  for (unsigned id = 0; id < options.cores.size(); ++id) {
    auto lane = std::make_unique<Lane>(id, shared_, Lane::Capacity{options.flow_capacity, options.connection_capacity});
    lane->adopt(*snapshot_, now());
    threads_.push_back(
        std::make_unique<LaneThread>(std::move(lane), LaneThread::Options{options.cores[id], options.busy}));
  }
  for (auto& thread : threads_) thread->start();
  // Whoever hears that we run may send at once: by then no port may take its lanes for dead.
  meet_lanes();
}

Engine::~Engine() {
  stop();
  // Ports may hold frames: they close before the pools end.
  snapshot_.reset();
}

void Engine::stop() {
  if (std::exchange(stopped_, true)) return;
  std::vector<std::unique_ptr<LaneTask>> tasks;
  for (unsigned i = 0; i < lanes(); ++i) tasks.push_back(std::make_unique<ResetConnections>());
  run_everywhere(tasks);
  for (auto& thread : threads_) thread->stop();
}

void Engine::run_everywhere(std::vector<std::unique_ptr<LaneTask>>& tasks) {
  for (size_t i = 0; i < tasks.size(); ++i) threads_[i]->post(*tasks[i]);
  for (size_t i = 0; i < tasks.size(); ++i) threads_[i]->wait(*tasks[i]);
}

/// Makes a task for each lane and has them run.
template <typename Make>
auto Engine::on_lanes(Make&& make) {
  std::vector<decltype(make())> tasks;
  for (unsigned i = 0; i < lanes(); ++i) threads_[i]->post(*tasks.emplace_back(make()));
  for (unsigned i = 0; i < lanes(); ++i) threads_[i]->wait(*tasks[i]);
  return tasks;
}

void Engine::meet_lanes() {
  const std::lock_guard lock(control_);
  on_lanes([] { return std::make_unique<NextPass>(); });
}

uint64_t Engine::apply(std::shared_ptr<const Snapshot> snapshot) {
  const std::lock_guard lock(control_);
  for (auto& thread : threads_) thread->take_longest_pause();
  std::vector<std::unique_ptr<LaneTask>> tasks;
  for (unsigned i = 0; i < lanes(); ++i) tasks.push_back(std::make_unique<Adopt>(*snapshot));
  run_everywhere(tasks);
  snapshot_ = std::move(snapshot);
  uint64_t longest = 0;
  for (auto& thread : threads_) longest = std::max(longest, thread->take_longest_pause());
  return longest;
}

FlowId Engine::list_flows(unsigned lane, FlowId from, uint32_t limit, std::vector<FlowRecord>& out) {
  const std::lock_guard lock(control_);
  ListFlows task(from, limit, out);
  threads_[lane]->post(task);
  threads_[lane]->wait(task);
  return task.next;
}

Explanation Engine::explain(FirstPacket packet) {
  const std::lock_guard lock(control_);
  packet.port = placed(packet.port, *snapshot_);
  auto tasks = on_lanes([&] { return std::make_unique<ExplainOnLane>(*snapshot_, shared_, packet); });
  return std::move(told_best(tasks));
}

FrameExplanation Engine::explain(uint16_t port, std::span<const uint8_t> frame) {
  const std::lock_guard lock(control_);
  port = placed(port, *snapshot_);
  return explain_everywhere([&](std::optional<uint32_t> ports) {
    return on_lanes([&] { return std::make_unique<ExplainFrameOnLane>(*snapshot_, shared_, port, frame, ports); });
  });
}

void Engine::begin_capture(const std::shared_ptr<LiveCapture>& capture) {
  const std::lock_guard lock(control_);
  if (captures_.size() == kMaxCaptures) {
    throw Error("ERR_FLATPROXY_RESOURCE", std::to_string(kMaxCaptures) + " captures of this proxy run already",
                "end one of them first");
  }
  capture->number = ++last_capture_;
  captures_.push_back(capture.get());
  std::vector<std::unique_ptr<LaneTask>> tasks;
  for (unsigned i = 0; i < lanes(); ++i) tasks.push_back(std::make_unique<BeginCapture>(capture));
  run_everywhere(tasks);
}

void Engine::end_capture(const LiveCapture& capture) {
  const std::lock_guard lock(control_);
  if (std::erase(captures_, &capture) == 0 || stopped_) return;
  std::vector<std::unique_ptr<LaneTask>> tasks;
  for (unsigned i = 0; i < lanes(); ++i) tasks.push_back(std::make_unique<EndCapture>(capture));
  run_everywhere(tasks);
}

uint64_t Engine::flow_count() const {
  uint64_t flows = 0;
  for (const auto& thread : threads_) flows += thread->lane().counters().flows.read();
  return flows;
}

bool Engine::drained() {
  const std::lock_guard lock(control_);
  std::vector<std::unique_ptr<LaneTask>> tasks;
  for (unsigned i = 0; i < lanes(); ++i) tasks.push_back(std::make_unique<AskIdle>());
  run_everywhere(tasks);
  return std::all_of(tasks.begin(), tasks.end(), [](const auto& task) { return static_cast<AskIdle&>(*task).idle; });
}

Nanoseconds Engine::now() const {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<Nanoseconds>(t.tv_sec) * 1'000'000'000 + static_cast<Nanoseconds>(t.tv_nsec);
}

}  // namespace flatproxy
