#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "capture/live_capture.h"
#include "config/snapshot.h"
#include "conntrack/flow_record.h"
#include "lane/explain.h"
#include "lane/explain_frame.h"
#include "lane/lane_thread.h"
#include "lane/shared.h"

namespace flatproxy {

struct EngineOptions {
  std::vector<int> cores;                 ///< one lane for each; -1: not pinned
  bool busy = false;                      ///< lanes spin instead of sleeping
  uint32_t flow_capacity = 262144;        ///< flows of each lane; fixed for the engine's life
  uint32_t connection_capacity = 262144;  ///< TCP connections of each lane that end here; likewise
  HashKey key{};                          ///< random, drawn by the caller
};

/// All lanes of one handle, and how the control side speaks to them. Its methods block; they are for control threads,
/// one at a time each.
class Engine {
 public:
  /// Starts the lanes under a snapshot.
  Engine(const EngineOptions& options, std::shared_ptr<const Snapshot> snapshot);
  /// stop(); ports close with the last snapshot.
  ~Engine();

  /// Resets connections that end here and stops the lanes. What they have told is still to be had.
  void stop();

  /// Moves every lane to another snapshot between two bursts and lets go of the old one.
  /// Returns the longest CPU time of a lane's pass meanwhile, in nanoseconds.
  uint64_t apply(std::shared_ptr<const Snapshot> snapshot);
  const std::shared_ptr<const Snapshot>& snapshot() const { return snapshot_; }

  /// Flows that were refused of late are listed from this cursor on, and only then.
  static constexpr FlowId kDeniedFlows = FlowId{1} << 30;
  /// Copies flows of one lane, relayed connections behind the others, from a cursor on, in slices between its bursts.
  /// Returns the next cursor, or kNoFlow at the end. @param limit how many at most
  FlowId list_flows(unsigned lane, FlowId from, uint32_t limit, std::vector<FlowRecord>& out);
  /// What becomes of a packet now, on the lane that has its flow or would open it. @throws Error ERR_FLATPROXY_ARGUMENT
  Explanation explain(FirstPacket packet);
  /// The same of a frame that comes by a port. @throws Error ERR_FLATPROXY_ARGUMENT
  FrameExplanation explain(uint16_t port, std::span<const uint8_t> frame);
  /// Flows of all lanes that stand in the table now.
  uint64_t flow_count() const;
  /// Refuses new flows from now on, or takes them again; flows that run go on.
  void refuse_new(bool refuse) { shared_.refuse_new.store(refuse); }
  void want_events(bool want) { shared_.want_events.store(want); }
  /// Returns when each lane has made a pass: it knows by then whatever was wanted before.
  void meet_lanes();
  /// From now on the capture has packets of all lanes.
  /// @throws Error ERR_FLATPROXY_RESOURCE while kMaxCaptures run
  void begin_capture(const std::shared_ptr<LiveCapture>& capture);
  /// From now on no lane knows the capture.
  void end_capture(const LiveCapture& capture);
  /// Whether no flow through a service and no relayed connection runs.
  bool drained();

  unsigned lanes() const { return static_cast<unsigned>(threads_.size()); }
  const LaneCounters& counters(unsigned lane) { return threads_[lane]->lane().counters(); }
  const tcp::Counters& tcp_counters(unsigned lane) { return threads_[lane]->lane().tcp().stack().counters(); }
  EventRing& events(unsigned lane) { return threads_[lane]->lane().flows().events(); }
  ExchangeRing& exchanges(unsigned lane) { return threads_[lane]->lane().tcp().exchanges(); }
  LaneShared& shared() { return shared_; }
  Nanoseconds now() const;

 private:
  void run_everywhere(std::vector<std::unique_ptr<LaneTask>>& tasks);
  template <typename Make>
  auto on_lanes(Make&& make);

  LaneShared shared_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::mutex control_;                        // one control operation at a time
  std::vector<const LiveCapture*> captures_;  // that run
  uint32_t last_capture_ = 0;
  std::vector<std::unique_ptr<LaneThread>> threads_;
  bool stopped_ = false;
};

}  // namespace flatproxy
