#pragma once

#include <vector>

#include "config/snapshot.h"
#include "conntrack/conntrack.h"
#include "conntrack/denied_flows.h"
#include "conntrack/flow_record.h"
#include "conntrack/fragment_table.h"
#include "lane/egress.h"
#include "lane/event_ring.h"
#include "lane/first_packet.h"
#include "lane/flow_log.h"
#include "lane/gateway.h"
#include "lane/mirror.h"
#include "lane/shared.h"
#include "lane/sweep.h"
#include "packet/burst.h"
#include "stats/lane_counters.h"
#include "wire/tuple_of.h"

namespace flatproxy {

/// Carries packets along their flows: finds the flow, opens one for the first packet (balancing it to an endpoint when
/// a service is meant), translates, and lets the gateway send. With several lanes it sees to it that a flow's packets
/// meet on one of them.
class FlowStage : private FlowListener, private DeniedFlows::Listener {
 public:
  FlowStage(unsigned lane, LaneShared& shared, LaneCounters& counters, Egress& egress, Gateway& gateway,
            uint32_t capacity);

  void adopt(const Snapshot& snapshot);

  /// What comes now is at this time, and may have its number of copies.
  void begin_burst(Nanoseconds now) {
    set_time(now);
    mirror_.begin_burst();
  }
  /// Takes parsed IP packets that this node may have to forward; empties the burst.
  void carry(Burst& burst, Nanoseconds now);
  /// Whether what passes between joined ports is judged: else it need not come here.
  bool judges_links() const { return judges_links_; }
  bool is_on_link(const Segment* frame) const { return judges_links_ && snapshot_->peer(frame->port) != kNoPort; }
  /// The zone of a frame's flow, and its tuple in it: nobody else makes the tuple that a flow is looked up by.
  uint16_t zone_of(const Segment* frame) const {
    return is_on_link(frame) ? static_cast<uint16_t>(kLinkZone | frame->vlan) : uint16_t{0};
  }
  Tuple tuple_of(const Segment* frame) const {
    Tuple tuple = wire::tuple_of(frame);
    tuple.zone = zone_of(frame);
    return tuple;
  }
  /// A frame that came by a joined port leaves by its peer, as it is.
  void pass_on(Segment* frame);
  /// One of them, while stateless().
  void carry_one(Segment* frame, Nanoseconds now);
  /// Whether nothing in the snapshot needs a flow: TCP and UDP that are no fragments need not come here.
  bool stateless() const { return stateless_; }
  /// Closes flows that are over, and a slice of those that policies deny which are new; gives up fragments that wait in
  /// vain.
  void tick(Nanoseconds now);
  /// Closes flows that are over at a time, a slice of them. True: those were all.
  bool expire_some(Nanoseconds now);
  /// Closes flows from an id on, likewise.
  bool close_some(FlowId& next);
  /// Ends what was refused and has been quiet since, likewise; begins anew no more often than once in a second.
  bool expire_denied_some(Nanoseconds now);
  /// Ends all that was refused, likewise.
  bool end_denied_some();
  bool sweeping() const { return sweep_.running(); }
  /// Whether every TCP and UDP flow through a service has ended: a drain is done.
  bool idle() const { return translated_ == 0; }

  /// True: another lane has the frame now (or it was dropped on the way). Once only: see kHandedOver.
  bool hand_over(Segment* frame, unsigned owner);
  /// The lane that carries a packet with ports.
  unsigned owner_of(const Segment* frame) const { return owner_of(hash_of(frame), routed_hash_of(frame)); }
  /// Whether there is a flow, of this lane, that a packet with ports belongs to.
  bool knows(const Segment* frame) const {
    return conntrack_.table().find(tuple_of(frame), hash_of(frame)).id != kNoFlow;
  }
  /// Whether a packet is an endpoint's answer, of whose flow nothing is known here.
  bool answers_for_service(const Segment* frame) const {
    return opening_for(*snapshot_, wire::tuple_of(frame), balance_).service != nullptr;
  }
  /// Whether who is behind the port that a packet came by may send from its source.
  bool admits_source(const Segment* frame) const;
  /// Ends a frame whose source does not belong to the port that it came by.
  void drop_spoofed(Segment* frame);
  /// Ends a packet that may not pass, as it came, and notes which flow it is of.
  void refuse(Segment* frame, Judgement judgement, const PolicyDuties& duties = {});
  /// Counts a flow, or a change of policies for one that runs, where they want it, and tells of it.
  void meet(const PolicyDuties& duties, const FlowRecord& flow);
  /// The same of a connection that ends here, when it has its endpoint.
  void relayed(const FlowRecord& connection);
  /// A client of a listener does not get what the key says, because of policies. It is told as a flow that is refused.
  void refuse_relayed(FlowRecord connection, const PolicyKey& key);
  /// What policies say of a packet, and want done with its flow.
  struct Judged {
    Judgement judgement;
    PolicyDuties duties;
  };
  /// What is to be done with a packet, as it came, whose flow passes. False: it has ended.
  bool do_duties(const PolicyDuties& duties, Segment* frame);
  /// Takes a new flow's share of what policies limit, if it passes. False: it does not, as `judged` says now.
  bool admits(Judged& judged, const Segment* frame, Nanoseconds now);

  Conntrack& conntrack() { return conntrack_; }
  const FragmentTable& fragments() const { return fragments_; }
  /// The lane where a packet's fragments meet.
  unsigned home_of_fragment(const Segment* fragment) const {
    return shared_.home(fragments_.packet_hash(fragment, zone_of(fragment)) * 0x9e3779b97f4a7c15u >> 32);
  }
  LaneBalance& balance() { return balance_; }
  FlowRecord record(FlowId id) const;
  const DeniedFlows& denied() const { return denied_; }
  EventRing& events() { return events_; }
  static uint32_t milliseconds(Nanoseconds now) { return static_cast<uint32_t>(now / 1'000'000); }

 private:
  void set_time(Nanoseconds now) {
    time_ = now;
    now_ = milliseconds(now);
  }
  void carry_all(Burst& burst);
  void carry_tracked(Burst& burst);
  void carry_aside(Segment* frame);
  void carry_untracked(Segment* frame);
  void carry_flow(FlowMatch match, Segment* frame, uint64_t hash);
  void carry_unknown(Segment* frame, uint64_t hash);
  void open_on_link(Segment* frame, uint64_t hash);
  void carry_by_route(Segment* frame, Reason reason);
  void enter_zones(Segment** frames, uint64_t* hashes, uint32_t count) const;
  FlowMatch find_in_zone(const Segment* frame, uint64_t hash) const;
  bool may_end(const FlowHot& flow, Segment* frame);
  void carry_icmp_error(Segment* frame);
  void carry_fragment(Segment* frame);
  void keep_fragment(Segment* fragment, Burst& kept);
  uint64_t routed_hash_of(const Segment* frame) const;
  uint64_t hash_of(const Segment* frame) const;
  void forward(FlowMatch match, Segment* frame, Reason reason);
  void forward_first(FlowMatch match, Segment* frame, Reason reason);
  void forward_anew(FlowMatch match, Segment* frame, Reason reason);
  uint16_t exit_for(FlowMatch match, const Segment* frame, Reason& why);
  bool claim_reply(FlowMatch match, uint16_t exit);
  void unclaim_reply(FlowId id);
  void translate_packet(FlowMatch match, Segment* frame);
  void translate_any(FlowMatch match, Segment* frame, bool back);

  bool comes_from_home(FlowMatch match, const Segment* frame) const;
  Judged judge_opening(const Opening& opening, const wire::Address& endpoint, uint16_t port,
                       const Segment* frame) const;
  Judged judge_packet(const Segment* frame) const;
  uint16_t client_port_of(FlowId id) const;
  Judgement judge_flow(FlowId id) const;
  bool judge_again(FlowMatch match, Segment* frame);
  bool look_again(FlowId id);
  void meet_again(FlowId id, const PolicyDuties& duties);
  void assign(FlowId id, const PolicyDuties& duties);
  bool is_within(const PolicyPlaces& limits, Segment* frame);
  void count_limited(const Policy& policy, const Segment* frame);
  PolicyKey key_of_flow(FlowId id) const;
  uint32_t allowed_by(FlowId id) const;

  Opening opening_of(const Tuple& tuple, uint64_t hash) const;
  FlowId open(const Opening& opening, Segment* frame);
  FlowId open_plain(const Opening& opening, Segment* frame, Judged& why);
  FlowId open_translated(const Opening& opening, Segment* frame, Judged& why);
  bool looks_like_service_behind(const Tuple& original) const;
  bool reply_taken(const Tuple& reply) const;

  unsigned owner_of(uint64_t hash, uint64_t home_hash) const;
  void count_service(FlowId id, const Segment* frame);
  void flow_closing(FlowId id) override;
  void flow_denied(const FlowRecord& flow) override;
  void denied_flow_over(const FlowRecord& flow) override;
  void report(FlowEventKind kind, FlowId id);

  unsigned lane_;
  LaneShared& shared_;
  LaneCounters& counters_;
  Egress& egress_;
  Gateway& gateway_;
  const Snapshot* snapshot_ = nullptr;
  Conntrack conntrack_;
  FragmentTable fragments_;
  DeniedFlows denied_;
  EventRing events_;
  FlowLog log_;
  RateLimits limits_;
  Mirror mirror_;
  Region<PolicyDuties> duties_;  // by flow: of one that has kFlowHasDuties, under the present epoch
  Region<uint32_t> next_in_turn_;
  Region<uint32_t> open_flows_;
  Region<uint32_t> passed_over_until_;
  LaneBalance balance_;
  std::vector<Segment*> released_fragments_;
  Sweep sweep_{2};
  Nanoseconds time_ = 0;
  uint32_t now_ = 0;
  uint32_t next_fragment_tick_ = 0;
  uint32_t denied_looked_at_ = 0;
  uint32_t denied_sets_left_ = DeniedFlows::kSets;  // of one look at all of them
  uint32_t translated_ = 0;
  uint8_t policies_number_ = 0;  // of the policies in force, for FlowCold::judged
  bool guarded_ = false;         // sources are bound to ports
  bool stateless_ = false;       // nothing in the snapshot needs a flow
  bool judges_links_ = false;    // what passes between joined ports is judged
};

}  // namespace flatproxy
