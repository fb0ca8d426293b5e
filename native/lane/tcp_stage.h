#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "config/snapshot.h"
#include "exchange/http_relay.h"
#include "exchange/tcp_relay.h"
#include "lane/egress.h"
#include "lane/exchange_log.h"
#include "lane/flow_stage.h"
#include "lane/gateway.h"
#include "lane/relay_backends.h"
#include "lane/shared.h"
#include "lane/sweep.h"
#include "lane/way.h"
#include "packet/burst.h"
#include "stats/lane_counters.h"
#include "tcp/stack.h"
#include "wire/tuple_of.h"

namespace flatproxy {

/// TCP connections that end at this node, for one lane: those that listeners take, and those to endpoints that they, or
/// the requests in them, are relayed by. It stands in front of the flow stage and takes what is addressed to one of
/// them. Of a connection that a listener intercepts, neither address need be ours.
class TcpStage : private tcp::Transmitter {
 public:
  /// @param capacity connections at most, both those from clients and those to endpoints
  TcpStage(unsigned lane, LaneShared& shared, LaneCounters& counters, Egress& egress, Gateway& gateway,
           FlowStage& flows, uint32_t capacity);

  /// Connections that are open stay, also those of listeners that are gone.
  void adopt(const Snapshot& snapshot);
  void set_time(Nanoseconds now);
  /// Nothing can be for us: no listener, no connection.
  bool idle() const { return snapshot_->listeners->empty() && stack_.connections() == 0; }

  /// Takes the frames of connections that end here; the others stay in the burst, in their order.
  void take(Burst& burst);
  /// Does what is due, relays what has come, sends what is to be sent: after the bursts of a pass.
  void finish();
  /// Ends what policies that are new deny, a slice of it; while this is not done it is called at each tick.
  void sweep();
  bool sweeping() const { return sweep_.running(); }
  Nanoseconds next_deadline() const {
    return std::min({stack_.next_deadline(), relay_.next_deadline(), http_.next_deadline()});
  }

  /// Resets connections that are relayed, a slice of them. False: all are reset.
  bool reset_some();
  /// Whether nothing is relayed.
  bool drained() const { return relay_.active() == 0 && http_.active() == 0; }
  const tcp::Stack& stack() const { return stack_; }
  uint32_t connection_turn() const { return backends_.turn(); }
  uint32_t request_turn() const { return http_.turn(); }
  /// Whether connections may have addresses that are not ours.
  bool intercepts() const { return intercepts_; }
  /// Whether a frame is addressed to a listener that is gone.
  bool is_to_retired(const Segment* frame) const {
    const auto port = static_cast<uint16_t>(frame->l4_ports);
    return !retired_.empty() && retired_.find(wire::destination_of(frame), port, frame->port) != nullptr;
  }
  /// What is told of exchanges that have ended.
  ExchangeRing& exchanges() { return exchange_log_.ring(); }
  /// Ways of intercepted connections.
  uint32_t links() const { return links_.count(); }
  /// Relayed connections, for a list: indexes are below the limit, even ones of connections that are relayed whole, odd
  /// ones of those that carry requests. False: there is none at this one.
  uint32_t record_limit() const { return 2 * std::max(relay_.index_limit(), http_.index_limit()); }
  bool record(uint32_t index, FlowRecord& to) const;

 private:
  /// What could not be sent, to be told the stack when it is not busy sending.
  struct Loss {
    Tuple sent;
    tcp::Sequence sequence;
    uint16_t mtu;  ///< that it did not fit into; 0: there is no way at all
  };

  /// What a burst's frames may be for; a bit for each.
  struct Asked {
    uint64_t ours = 0;         ///< TCP to an address of ours
    uint64_t intercepted = 0;  ///< other TCP, while there may be connections that are intercepted
    std::array<uint64_t, Burst::kSize> hashes;
  };
  static_assert(Burst::kSize <= 64);

  void retire(const ListenerSet& before);
  void dispatch(tcp::Connection& c);
  bool may_be_ours(const Segment* frame) const;
  Asked look_ahead(const Burst& burst) const;
  bool take_segment(Segment* frame, uint64_t hash);
  bool take_intercepted(Segment* frame, uint64_t hash);
  bool may_open(Segment* frame);
  bool take_input(Segment* frame, const Listener* listener, uint64_t hash);
  bool hand_over_intercepted(Segment* frame, const Tuple& tuple);
  bool is_draining() const { return shared_.refuse_new.load(std::memory_order_relaxed); }
  bool take_error(Segment* frame);
  bool is_spoofed(const Segment* frame) const {
    return guarded_ && !snapshot_->admits_source(frame->port, wire::source_of(frame));
  }
  bool hand_over(Segment* frame);
  void transmit(Segment* frame, tcp::Connection& c) override;
  void arrived(const Segment* frame, tcp::Connection& c) override;
  void forgotten(tcp::Connection& c) override;
  void meet_client(const Segment* frame, tcp::Connection& c);
  bool answers_by_link(const Segment* frame, const tcp::Connection& c) const;
  void keep_link(const Segment* frame, tcp::Connection& c);
  void transmit_by_link(Segment* frame, const LinkWay& link);
  uint16_t find_exit(const Segment* frame, const tcp::Connection& c, Reason& why);
  void lose(Segment* frame, const tcp::Connection& c, Reason why);
  bool tell_losses();
  void report(FlowEventKind kind, uint32_t index);
  void count_service(const Segment* frame, const tcp::Connection& c);

  LaneShared& shared_;
  LaneCounters& counters_;
  Egress& egress_;
  Gateway& gateway_;
  FlowStage& flows_;
  const Snapshot* snapshot_ = nullptr;
  tcp::Stack stack_;
  tls::Streams streams_;
  LinkWays links_;
  RelayBackends backends_;
  ExchangeLog exchange_log_;
  TcpRelay relay_;
  HttpRelay http_;
  ListenerSet retired_;  // listeners that are gone, whose connections may not be
  std::vector<Loss> losses_;
  Sweep sweep_{8};
  Nanoseconds now_ = 0;
  uint32_t reset_next_ = 0;
  uint32_t reset_next_http_ = 0;
  bool intercepts_ = false;  // connections may have addresses that are not ours
  bool guarded_ = false;     // sources are bound to ports
};

}  // namespace flatproxy
