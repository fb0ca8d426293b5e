#include "replay/replay.h"

#include <algorithm>
#include <string>

#include "config/plan.h"
#include "lane/lane.h"
#include "packet/error.h"
#include "replay/replay_ports.h"

namespace flatproxy {
namespace {

constexpr uint32_t kConnections = 65'536;
/// Whoever asks how far it is gets an answer that is so many passes old.
constexpr unsigned kPassesBetweenReports = 1024;

/// Numbers that nobody has to guess: the same each time (splitmix64).
class SeededBits {
 public:
  explicit SeededBits(uint64_t seed) : seed_(seed) {}
  uint64_t operator()() { return hash_key(seed_++).words[0]; }

 private:
  uint64_t seed_;
};

/// One lane, and the time that passes for it.
class ReplayRun {
 public:
  ReplayRun(std::string_view plan, const ReplayOptions& options, ReplayProgress& progress)
      : progress_(progress),
        ports_(options, progress),
        shared_(1, options.flow_capacity, hash_key(options.seed), SeededBits(options.seed)),
        snapshot_(build_snapshot(plan, nullptr, ports_.opener())),
        lane_(0, shared_, Lane::Capacity{options.flow_capacity, kConnections}) {
    shared_.want_events.store(true);
    result_.flows = std::make_shared<FlowSpool>();
    result_.policies.resize(snapshot_->policies->set().policies.size());
    lane_.adopt(*snapshot_, 0);
  }

  ReplayResult run() {
    report();
    result_.first = result_.last = lane_.next_receive() == kNever ? 0 : lane_.next_receive();
    for (unsigned pass = 0; lane_.next_receive() != kNever; ++pass) {
      step(std::max(lane_.next_receive(), result_.last));
      if (pass % kPassesBetweenReports == 0) report();
    }
    ports_.check();
    lane_.end_flows([this] { take_events(); });
    take_counters();
    result_.snapped = ports_.snapped();
    result_.flows->flush();
    ports_.finish();
    report();
    return std::move(result_);
  }

 private:
  /// On to the time of the next packet. Captures whose packets are not in order do not turn time back.
  void step(Nanoseconds next) {
    const bool time_moves = next != result_.last;
    const uint64_t before = time_moves ? 0 : received();
    lane_.leap(next, [this] { take_events(); });
    result_.last = next;
    lane_.iterate(next);
    take_events();
    if (!time_moves && received() == before) refuse_stuck();
  }

  uint64_t received() {
    uint64_t packets = 0;
    for (const PortCounter& port : lane_.counters().ports) packets += port.received.packets.read();
    return packets;
  }

  /// No buffer is free and time stands still until the next packet is read: it would for ever.
  [[noreturn]] void refuse_stuck() {
    throw Error("ERR_FLATPROXY_RESOURCE",
                "the captures' fragments that wait for their first one hold all buffers, after " +
                    std::to_string(received()) + " packets",
                "take them out of the capture");
  }

  void report() {
    if (progress_.cancelled.load(std::memory_order_relaxed)) throw Error("ERR_FLATPROXY_CANCELLED", "cancelled");
    progress_.packets.store(received(), std::memory_order_relaxed);
    progress_.bytes.store(ports_.bytes_read(), std::memory_order_relaxed);
  }

  void take_events() {
    FlowEvent event;
    while (lane_.flows().events().pop(event)) {
      if (event.kind == FlowEventKind::closed || event.kind == FlowEventKind::denied_over) take(event.flow);
    }
  }

  void take(const FlowRecord& flow) {
    result_.flows->push(flow);
    if (flow.policy == FlowRecord::kNone) return;
    ReplayCount& count = result_.policies[flow.policy];
    count.packets += flow.packets[kOriginal] + flow.packets[kReply];
    ++count.flows;
  }

  void take_counters() {
    const LaneCounters& counters = lane_.counters();
    result_.packets = received();
    for (size_t i = 0; i < kReasons; ++i) result_.reasons[i] = counters.reasons[i].packets.read();
    const std::vector<Policy>& policies = snapshot_->policies->set().policies;
    for (size_t i = 0; i < policies.size(); ++i) {
      const PolicyCounters* counted =
          goes_on(policies[i].action) ? counters.policies.find(policies[i].counter) : nullptr;
      if (counted != nullptr)
        result_.policies[i] = {counted->limited_packets.read() + counted->mirrored_packets.read(),
                               counted->flows.read()};
    }
  }

  ReplayProgress& progress_;
  ReplayPorts ports_;
  LaneShared shared_;
  std::shared_ptr<const Snapshot> snapshot_;
  Lane lane_;
  ReplayResult result_;
};

}  // namespace

ReplayResult replay(std::string_view plan, const ReplayOptions& options, ReplayProgress& progress) {
  try {
    return ReplayRun(plan, options, progress).run();
  } catch (const Error&) {
    // A capture that nobody waits for any more looks like a broken one.
    if (!progress.cancelled.load()) throw;
    throw Error("ERR_FLATPROXY_CANCELLED", "the replay was cancelled");
  }
}

}  // namespace flatproxy
