#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "balance/picker.h"
#include "config/snapshot.h"
#include "health/probe_packet.h"
#include "health/probe_ports.h"
#include "health/probe_timers.h"
#include "packet/segment.h"
#include "packet/tuple.h"

namespace flatproxy {

/// How a probe ended.
enum class ProbeResult : uint8_t {
  answered,     ///< SYN/ACK: somebody listens
  refused,      ///< RST
  timed_out,    ///< nothing within the check's timeout
  unreachable,  ///< an ICMP error came back
  no_route,     ///< no route to the endpoint, or no own address of its family to ask from
};

/// Hears of endpoints that change their health. Called on the prober's thread.
class HealthListener {
 public:
  virtual ~HealthListener() = default;
  virtual void health_changed(uint32_t service, uint32_t endpoint, bool healthy, ProbeResult why) = 0;
};

/// What the prober counts, since it was made.
struct ProbeCounts {
  uint64_t sent = 0;
  uint64_t answered = 0;
  uint64_t failed = 0;
  uint64_t waited = 0;  ///< probes that were late because all source ports were taken
};

struct ProberOptions {
  /// Source ports of probes, on own addresses, both included; nothing else may send from them. How many there are
  /// bounds the probes under way. The default lies above the range that Linux takes client ports from.
  uint16_t first_port = 61000;
  uint16_t last_port = 65535;
  uint32_t burst = 256;  ///< SYNs of one tick(), at most
};

/// Active health checks of TCP endpoints, by half-open probes: a SYN goes out, SYN/ACK means that somebody listens and
/// is answered by a reset; a reset, an ICMP error or silence is a failure. A lost SYN is not repeated within a probe:
/// it counts as a failure, which the threshold of unhealthiness is there to forgive.
///
/// New endpoints count as healthy (as with HAProxy and Envoy, so that a start with everything well drops nothing), and
/// the first probe, sent within a second, decides alone; from then on the thresholds hold. An endpoint that is no
/// longer checked is healthy. Drained endpoints are checked on.
///
/// A state machine: time, randomness and packets come in, packets go out. One thread's; the only writer of
/// EndpointHealth.
class HealthProber {
 public:
  /// Timers that one tick() looks at, at most; the rest is the next one's.
  static constexpr uint32_t kTimersPerTick = 1024;
  /// The first probes of new endpoints are spread over this time, or over the interval if that is shorter.
  static constexpr Nanoseconds kFirstSpread = 1'000'000'000;

  /// @param random 64 unpredictable bits a call: initial sequence numbers (whoever can guess them can fake health)
  HealthProber(EndpointHealth& health, HealthListener& listener, std::function<uint64_t()> random,
               ProberOptions options = {});

  /// Goes on under another snapshot. Unchanged endpoints keep their state. Both this snapshot and the one before must
  /// be alive during the call, this one until the next. Costs time by the services that are not the same objects.
  void configure(const Snapshot& snapshot, Nanoseconds now);

  /// Ends probes whose time is over and appends the SYNs that are due.
  void tick(Nanoseconds now, std::vector<ProbePacket>& out);
  /// When tick() has something to do.
  Nanoseconds next_deadline(Nanoseconds now) const;

  enum class Answer : uint8_t {
    not_ours,  ///< no probe was sent along this way
    taken,     ///< it was for the prober, and has ended there
    reply,     ///< likewise, and `reply` is to be sent
  };
  /// Takes a TCP segment to an own address. @param received its tuple as it came
  Answer answer(const Tuple& received, uint8_t flags, uint32_t acknowledgment, Nanoseconds now, ProbePacket& reply);
  /// Takes an ICMP destination unreachable about a segment of ours. @param sent,sequence of the segment that it quotes
  bool unreachable(const Tuple& sent, uint32_t sequence, Nanoseconds now);

  /// Whether a port may be the destination of an answer: a cheap first look.
  bool is_probe_port(uint16_t port) const { return port >= options_.first_port && port <= options_.last_port; }
  /// Whether a probe was sent along a tuple of late: what answers it is ours.
  bool has_sent(const Tuple& sent) const { return ports_.find(sent) != nullptr; }
  const ProbeCounts& counts() const { return counts_; }
  uint32_t under_way() const { return ports_.taken(); }

 private:
  static constexpr uint32_t kNobody = ProbePorts::kNobody;

  struct Target {
    wire::Address address;
    uint32_t endpoint = 0;
    uint32_t service = 0;
    uint32_t stamp = 0;    // of its one valid timer; never goes back, also not when the place is used again
    Nanoseconds sent = 0;  // when the last probe began
    uint16_t port = 0;
    uint16_t source_port = 0;  // of the probe under way; 0: none
    uint16_t contrary = 0;     // results in a row that speak against `healthy`
    bool healthy = true;
    bool untried = true;
    uint32_t round = 0;  // configure() that has last found it in a service
  };

  Target* target_of(const Endpoint& endpoint, uint32_t service);
  void mark_kept(const Service& service);
  void drop_unmarked(const Service& service);
  void take_over(const Service& service, const Service* before, Nanoseconds now);
  void add(const Service& service, const Endpoint& endpoint, Nanoseconds now);
  void drop(uint32_t target);
  void schedule(uint32_t target, Nanoseconds due);
  void schedule_first(uint32_t target, const HealthCheck& check, Nanoseconds now);
  void start_waiting(Nanoseconds now, std::vector<ProbePacket>& out);
  void start(uint32_t index, Nanoseconds now, std::vector<ProbePacket>& out);
  void conclude(uint32_t target, ProbeResult result, Nanoseconds now);
  void judge(Target& target, const HealthCheck& check, ProbeResult result);
  Nanoseconds next_start(const Target& target, const HealthCheck& check);
  double random_share();
  const HealthCheck& check_of(const Target& target) const;

  EndpointHealth& health_;
  HealthListener& listener_;
  std::function<uint64_t()> random_;
  ProberOptions options_;
  ProbePorts ports_;
  ProbeTimers timers_;
  std::deque<ProbeTimers::Timer> waiting_;  // due, first come first served
  std::vector<Target> targets_;
  std::vector<uint32_t> free_targets_;
  std::vector<uint32_t> by_endpoint_;  // endpoint id -> target
  const Snapshot* snapshot_ = nullptr;
  uint32_t round_ = 0;
  ProbeCounts counts_;
};

}  // namespace flatproxy
