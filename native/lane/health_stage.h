#pragma once

#include <deque>
#include <vector>

#include "config/snapshot.h"
#include "health/health_prober.h"
#include "lane/egress.h"
#include "lane/gateway.h"
#include "lane/shared.h"
#include "stats/lane_counters.h"

namespace flatproxy {

/// Sends the health prober's SYNs through the gateway and brings it the answers. One lane has it, the first one: health
/// has one writer, and all lanes read it.
class HealthStage : private HealthListener {
 public:
  static constexpr unsigned kLane = 0;

  HealthStage(LaneShared& shared, LaneCounters& counters, Buffers& buffers, Egress& egress, Gateway& gateway);

  /// Both this snapshot and the one before must live during the call.
  void adopt(const Snapshot& snapshot, Nanoseconds now);
  void tick(Nanoseconds now);
  /// Takes a TCP segment to an own address if it answers a probe. True: it has ended.
  bool take(Segment* frame, Nanoseconds now);
  /// Takes an ICMP error that says that a segment of ours cannot arrive, if it is a probe's. True: it has ended.
  bool take_error(Segment* frame, const Tuple& sent, uint32_t sequence, Nanoseconds now);
  bool has_probed(const Tuple& sent) const { return prober_.has_sent(sent); }
  Nanoseconds next_deadline(Nanoseconds now) const { return prober_.next_deadline(now); }

 private:
  struct Claimed {
    Tuple reply;
    Nanoseconds until;
  };
  void send(const ProbePacket& packet, Nanoseconds now);
  bool claim(uint16_t exit, const Tuple& reply, Nanoseconds now);
  void unclaim_old(Nanoseconds now);
  void health_changed(uint32_t service, uint32_t endpoint, bool healthy, ProbeResult why) override;

  LaneCounters& counters_;
  Buffers& buffers_;
  Egress& egress_;
  Gateway& gateway_;
  const Snapshot* snapshot_ = nullptr;
  HealthProber prober_;
  std::vector<ProbePacket> due_;
  std::deque<Claimed> claimed_;  // replies that ports with take: 'matched' were told of, oldest first
};

}  // namespace flatproxy
