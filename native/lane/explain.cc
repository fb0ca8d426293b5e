#include "lane/explain.h"

#include <utility>

#include "packet/error.h"
#include "wire/address_rules.h"
#include "wire/protocol.h"

namespace flatproxy {
namespace {

constexpr std::string_view kNames[] = {
    "joined",
    "source_invalid",
    "destination_invalid",
    "destination_many",
    "listener",
    "no_listener",
    "connection",
    "source_home",
    "source_elsewhere",
    "source_routed",
    "source_unrouted",
    "source_free",
    "flow",
    "service",
    "reply",
    "no_service",
    "own_node",
    "own_echo",
    "own_refused",
    "draining",
    "endpoint",
    "no_endpoint",
    "source_port",
    "no_source_port",
    "untracked",
    "egress_none",
    "egress_allowed",
    "egress_denied",
    "egress_rejected",
    "egress_isolated",
    "ingress_none",
    "ingress_allowed",
    "ingress_denied",
    "ingress_rejected",
    "ingress_isolated",
    "default_allow",
    "default_deny",
    "log",
    "limit",
    "mirror",
    "route",
    "no_route",
    "back_to_node",
    "no_port",
};
static_assert(std::size(kNames) == static_cast<size_t>(Step::count));

std::string end_text(const wire::Address& address, uint16_t port) {
  std::string text = address.to_string();
  if (!address.is_v4()) text.insert(0, 1, '[').append(1, ']');
  return text.append(1, ':').append(std::to_string(port));
}

std::string flow_text(const FlowRecord& flow) {
  const Tuple& original = flow.original;
  if (flow.roce) {
    std::string text = original.source.to_string();
    return text.append(" > ").append(original.destination.to_string()).append(" qp ").append(std::to_string(flow.qp));
  }
  return end_text(original.source, original.source_port)
      .append(" > ")
      .append(end_text(original.destination, original.destination_port));
}

const Listener* listener_of(const Snapshot& snapshot, const Tuple& tuple, uint16_t port) {
  const ListenerSet& listeners = *snapshot.listeners;
  if (snapshot.ours(tuple.destination)) return listeners.find(tuple.destination, tuple.destination_port, port);
  return listeners.find_intercepting(tuple.destination, tuple.destination_port, port);
}

/// Whether a flow's endpoint follows from its addresses alone.
bool is_by_hash(const Service& service) {
  return service.balance == Balance::maglev || service.balance == Balance::ring_hash || service.source_affinity;
}

/// What a packet in mid-stream may be an answer to.
PolicyKey reversed_key(const Snapshot& snapshot, const FirstPacket& packet) {
  const Tuple other = packet.tuple.reversed();
  const uint16_t arrival = port_towards(snapshot, other.source, packet.port);
  return policy_key(other, other.destination, other.destination_port, arrival);
}

class Explainer {
 public:
  /// @param opened what the packet has opened under another snapshot
  Explainer(const Snapshot& snapshot, const FirstPacket& packet, const FlowRecord* opened = nullptr)
      : s_(snapshot), packet_(packet), tuple_(packet.tuple), opened_(opened) {}

  Explanation first(const LaneView& lane);
  Explanation along(const FlowRecord& flow, Direction direction, bool is_new);
  Explanation relayed(const FlowRecord& connection);
  Explanation of_connection();

 private:
  bool end(Reason reason, Step step, uint32_t id = Explanation::kNone) {
    e_.reason = reason;
    e_.steps.push_back({step, id});
    return false;
  }
  void tell(Step step, uint32_t id = Explanation::kNone, std::string at = {}) {
    e_.steps.push_back({step, id, std::move(at)});
  }

  /// Which limits there are for a packet: of a flow that runs those of packets, of a connection that is to end here
  /// those of flows, of one that does none.
  enum class Limits : uint8_t { all, of_packets, of_flows, none };

  // Each is a step of the way; false: the packet has ended.
  bool arrives();
  bool addresses();
  bool may_pass_listeners(const LaneView& lane);
  bool source();
  bool may_pass_link(const LaneView& lane);
  void pass_on();
  bool judge_first();
  bool judge(const PolicyKey& key);
  bool allows(const PolicyKey& key);
  void lead_to(const FlowRecord& connection, uint16_t arrival, bool judged);
  bool open(const Opening& opening, const LaneView& lane);
  bool translate(const Opening& opening, const LaneView& lane, const Endpoint& endpoint);
  bool leave(const wire::Address& destination, Direction direction, uint16_t ingress);

  Reason address_problem() const;
  uint32_t opened_endpoint(const Service& service) const;
  void own_address();
  void opinion(const PolicyKey& key, PolicyDirection direction, Step none);
  void duties(const PolicyKey& key, bool passes);

  const Snapshot& s_;
  const FirstPacket& packet_;
  const Tuple& tuple_;
  const FlowRecord* opened_;
  Limits limits_ = Limits::all;
  Explanation e_;
};

Explanation Explainer::first(const LaneView& lane) {
  if (!arrives()) return std::move(e_);
  if (s_.peer(packet_.port) != kNoPort) {
    if (may_pass_link(lane)) pass_on();
    return std::move(e_);
  }
  if (!addresses() || !source() || !may_pass_listeners(lane)) return std::move(e_);
  const Opening opening = opening_for(s_, tuple_, lane.balance);
  if (opening.service == nullptr) {
    tell(Step::no_service);
    if (s_.ours(tuple_.destination)) {
      own_address();
      return std::move(e_);
    }
  } else {
    e_.service = opening.service->id;
    tell(opening.direction == kReply ? Step::reply : Step::service, opening.service->id);
  }
  if (open(opening, lane)) {
    const bool translated = opening.service != nullptr && opening.direction == kOriginal;
    // The endpoint is told by its index until here.
    const auto& to = translated ? opening.service->endpoints[e_.endpoint].address : tuple_.destination;
    leave(to, opening.direction, client_port(s_, opening, packet_.port));
  }
  if (e_.endpoint != Explanation::kNone) e_.endpoint = opening.service->endpoints[e_.endpoint].id;
  return std::move(e_);
}

Explanation Explainer::along(const FlowRecord& flow, Direction direction, bool is_new) {
  const Tuple& original = flow.original;
  tell(Step::flow, Explanation::kNone, flow_text(flow));
  if (!arrives() || !source()) return std::move(e_);
  const wire::Address& receiver = flow.translated ? flow.nat_address : original.destination;
  if (flow.translated) {
    e_.service = flow.service;
    e_.endpoint = flow.endpoint;
    tell(Step::service, flow.service);
    tell(Step::endpoint, flow.endpoint, end_text(receiver, flow.nat_port));
  }
  const uint16_t ingress = client_port_now(s_, original.source, flow.ingress);
  PolicyKey key = policy_key(original, receiver, flow.translated ? flow.nat_port : original.destination_port, ingress);
  key.roce = packet_.roce;
  limits_ = Limits::of_packets;
  if (!s_.policies->cuts() && !is_new) {
    duties(key, true);
  } else if (!judge(key)) {
    return std::move(e_);
  }
  if (s_.peer(packet_.port) != kNoPort) {
    pass_on();
    return std::move(e_);
  }
  e_.reason = flow.translated ? Reason::service_forwarded : Reason::forwarded;
  leave(direction == kOriginal ? receiver : original.source, direction, ingress);
  return std::move(e_);
}

/// Between joined ports.
bool Explainer::may_pass_link(const LaneView& lane) {
  // What is not valid passes unseen there, unless something else is judged.
  if (!s_.judges_links()) return address_problem() != Reason::forwarded || may_pass_listeners(lane);
  const Reason problem = address_problem();
  if (problem == Reason::source_invalid) return end(problem, Step::source_invalid);
  if (problem == Reason::destination_invalid) return end(problem, Step::destination_invalid);
  if (!source() || !may_pass_listeners(lane)) return false;
  if (s_.flows.track_all) return judge_first();
  tell(Step::untracked);
  return true;
}

void Explainer::pass_on() {
  e_.exit = s_.peer(packet_.port);
  end(Reason::passed_on, Step::joined, e_.exit);
}

/// When policies change, both places are judged again. Its listener may be gone, or be meant for whom its client
/// speaks.
Explanation Explainer::relayed(const FlowRecord& connection) {
  end(Reason::tcp_terminated, Step::connection);
  if (!arrives()) return std::move(e_);
  limits_ = Limits::none;
  const Listener* listener = listener_of(s_, tuple_, packet_.port);
  if (listener != nullptr) e_.listener = listener->id;
  const bool cuts = s_.policies->cuts();
  // Whom somebody speaks for is not who is behind the port.
  const bool spoken_for = listener != nullptr && listener->relay.expects_proxy_header;
  const bool judged = cuts && listener != nullptr && !spoken_for;
  const uint16_t arrival = spoken_for ? packet_.port : client_port_now(s_, tuple_.source, packet_.port);
  if (judged && !judge(policy_key(tuple_, tuple_.destination, tuple_.destination_port, arrival))) return std::move(e_);
  lead_to(connection, arrival, cuts);
  return std::move(e_);
}

/// A connection that ends here goes on to its endpoint, if it has one.
void Explainer::lead_to(const FlowRecord& connection, uint16_t arrival, bool judged) {
  if (!connection.translated) return;
  e_.service = connection.service;
  e_.endpoint = connection.endpoint;
  tell(Step::endpoint, connection.endpoint, end_text(connection.nat_address, connection.nat_port));
  if (judged) judge(policy_key(tuple_, connection.nat_address, connection.nat_port, arrival));
}

Explanation Explainer::of_connection() {
  if (source()) end(Reason::tcp_terminated, Step::connection);
  return std::move(e_);
}

Reason Explainer::address_problem() const {
  const auto& [from, to, from_port, to_port, protocol, family] = tuple_;
  const bool v4 = family == 4;
  const bool from_valid = v4 ? wire::v4_source_valid(from, protocol, uint32_t{from_port} << 16 | to_port)
                             : wire::v6_source_valid(from, false);
  if (!from_valid) return Reason::source_invalid;
  const bool to_valid = v4 ? wire::v4_destination_valid(to) : wire::v6_destination_valid(to);
  return to_valid ? Reason::forwarded : Reason::destination_invalid;
}

bool Explainer::arrives() { return s_.port(packet_.port) != nullptr || end(Reason::port_down, Step::no_port); }

bool Explainer::addresses() {
  const Reason problem = address_problem();
  if (problem == Reason::source_invalid) return end(problem, Step::source_invalid);
  if (problem == Reason::destination_invalid) return end(problem, Step::destination_invalid);
  if (wire::means_many(tuple_.destination)) return end(Reason::multicast_ignored, Step::destination_many);
  return true;
}

bool Explainer::may_pass_listeners(const LaneView& lane) {
  if (tuple_.protocol != wire::protocol::kTcp || s_.listeners->empty()) return true;
  const bool ours = s_.ours(tuple_.destination);
  const Listener* listener = listener_of(s_, tuple_, packet_.port);
  if (listener == nullptr) {
    tell(Step::no_listener);
    return true;
  }
  // Of what comes by a joined port, sources may be looked at only if it ends here.
  if (s_.peer(packet_.port) != kNoPort && !s_.judges_links() && !source()) return false;
  // What would be intercepted passes on while we drain.
  if (lane.draining && !ours) return true;
  e_.listener = listener->id;
  end(Reason::tcp_terminated, Step::listener, listener->id);
  if (lane.draining) return end(Reason::draining, Step::draining);
  limits_ = Limits::of_flows;
  if (judge(policy_key(tuple_, tuple_.destination, tuple_.destination_port, packet_.port)) && opened_ != nullptr)
    lead_to(*opened_, packet_.port, true);
  return false;
}

bool Explainer::source() {
  if (!s_.sources->active()) return true;
  const wire::Address& from = tuple_.source;
  const bool on_link = s_.peer(packet_.port) != kNoPort && s_.judges_links();
  if (on_link && (from.unspecified() || from.link_local())) return true;
  const uint32_t home = s_.sources->home_of(from);
  const bool admitted = s_.admits_source(packet_.port, from);
  if (home != SourceGuard::kNobodys) {
    if (!admitted) return end(Reason::spoofed_source, Step::source_elsewhere, home);
    tell(Step::source_home, home);
    return true;
  }
  if (!admitted) return end(Reason::spoofed_source, Step::source_unrouted);
  const Route* route = s_.sources->guards(packet_.port) ? s_.routes->lookup(from) : nullptr;
  if (route == nullptr) {
    tell(Step::source_free);
  } else {
    tell(Step::source_routed, Explanation::kNone, route->to.network().to_string());
  }
  return true;
}

void Explainer::own_address() {
  const bool icmp = tuple_.protocol == wire::protocol::kIcmp || tuple_.protocol == wire::protocol::kIcmp6;
  const Reason reason = answer_of(s_, packet_.port, tuple_.destination, icmp);
  const Step step = reason == Reason::forwarded       ? Step::own_node
                    : reason == Reason::echo_answered ? Step::own_echo
                                                      : Step::own_refused;
  if (reason == Reason::forwarded) e_.exit = host_side(packet_.port);
  end(reason, step);
}

bool Explainer::open(const Opening& opening, const LaneView& lane) {
  if (opening.direction == kReply && lane.taken(opening.original)) return end(Reason::tcp_no_flow, Step::flow);
  const Service* service = opening.service;
  if (service == nullptr && !s_.flows.track_all) {
    tell(Step::untracked);
    return true;
  }
  if (lane.draining) return end(Reason::draining, Step::draining);
  if (service == nullptr) return judge_first();
  uint32_t chosen = opening.endpoint;
  if (chosen == Picker::kNone) chosen = opened_endpoint(*service);
  if (chosen == Picker::kNone)
    chosen = service->picker(tuple_.family).peek(balance_hash(*service, opening.original), lane.balance);
  if (chosen == Picker::kNone) return end(Reason::no_endpoint, Step::no_endpoint);
  e_.endpoint = chosen;
  return translate(opening, lane, service->endpoints[chosen]);
}

/// The first packet of a flow that is not translated.
bool Explainer::judge_first() {
  PolicyKey key = policy_key(tuple_, tuple_.destination, tuple_.destination_port, packet_.port);
  key.roce = packet_.roce;
  return judge(key) && (!packet_.mid_stream || allows(reversed_key(s_, packet_)));
}

/// The endpoint that the flow has under another snapshot, by its index in the service, if it may be chosen here as well
/// as any other.
uint32_t Explainer::opened_endpoint(const Service& service) const {
  uint32_t found = Picker::kNone;
  if (opened_ == nullptr || !opened_->translated || is_by_hash(service)) return found;
  s_.endpoint_table->for_each(opened_->nat_address, opened_->nat_port, tuple_.protocol, [&](const auto& ref) {
    const Endpoint& endpoint = ref.service->endpoints[ref.endpoint];
    if (ref.service == &service && !endpoint.drain && endpoint.weight > 0) found = ref.endpoint;
  });
  return found;
}

bool Explainer::translate(const Opening& opening, const LaneView& lane, const Endpoint& endpoint) {
  tell(Step::endpoint, endpoint.id, end_text(endpoint.address, endpoint.port));
  const uint16_t arrival = client_port(s_, opening, packet_.port);
  if (!judge(policy_key(opening.original, endpoint.address, endpoint.port, arrival))) return false;
  Translation translation{endpoint.address, endpoint.port, opening.original.source_port};
  if (!find_source_port(opening, translation, lane.taken)) return end(Reason::source_ports_taken, Step::no_source_port);
  if (translation.source_port != opening.original.source_port) tell(Step::source_port, translation.source_port);
  e_.reason = Reason::service_forwarded;
  return true;
}

/// @param none the first of the steps of this direction, in the order of PolicyOpinion::Kind
void Explainer::opinion(const PolicyKey& key, PolicyDirection direction, Step none) {
  const PolicyOpinion opinion = s_.policies->opinion(key, direction);
  tell(static_cast<Step>(static_cast<uint8_t>(none) + opinion.kind), opinion.policy);
}

/// @param passes limits and mirrors are for what does
void Explainer::duties(const PolicyKey& key, bool passes) {
  const PolicyDuties duties = s_.policies->duties(key);
  for (const uint32_t place : duties.logs) tell(Step::log, place);
  if (!passes) return;
  for (const uint32_t place : duties.limits) {
    const bool of_flows = s_.policies->set().policies[place].limit.of == LimitOf::flows;
    if (limits_ == Limits::all || limits_ == (of_flows ? Limits::of_flows : Limits::of_packets))
      tell(Step::limit, place);
  }
  if (limits_ == Limits::of_flows || limits_ == Limits::none) return;
  for (const uint32_t place : duties.mirrors) tell(Step::mirror, place);
}

bool Explainer::judge(const PolicyKey& key) {
  if (s_.policies->empty()) return true;
  const bool passes = allows(key);
  duties(key, passes);
  return passes;
}

bool Explainer::allows(const PolicyKey& key) {
  const Judgement judgement = s_.policies->judge(key);
  opinion(key, PolicyDirection::egress, Step::egress_none);
  opinion(key, PolicyDirection::ingress, Step::ingress_none);
  const bool by_default = judgement.policy == Judgement::kNoPolicy;
  if (by_default) tell(judgement.passes() ? Step::default_allow : Step::default_deny);
  e_.policy = judgement.policy;
  if (!judgement.passes()) e_.reason = judgement.reason;
  return judgement.passes();
}

/// @param ingress the port that the flow's client is behind
bool Explainer::leave(const wire::Address& destination, Direction direction, uint16_t ingress) {
  if (direction == kReply && ingress != kNoPort && is_host_side(ingress)) {
    if (s_.port(ingress) == nullptr) return end(Reason::port_down, Step::back_to_node, ingress);
    e_.exit = ingress;
    tell(Step::back_to_node, ingress);
    return true;
  }
  const Route* route = s_.routes->lookup(destination);
  if (route == nullptr) return end(Reason::no_route, Step::no_route);
  e_.exit = route->port == s_.node_port ? s_.node_side(packet_.port) : route->port;
  tell(Step::route, route->port, route->to.network().to_string());
  if (route->has_via) e_.steps.back().via = route->via.to_string();
  return true;
}

}  // namespace

void place(FirstPacket& packet, const Snapshot& snapshot) {
  if (packet.port == kNoPort || packet.port == snapshot.node_port) packet.port = snapshot.node_side(0);
  if (packet.port == kNoPort || snapshot.port(packet.port) == nullptr)
    throw Error("ERR_FLATPROXY_ARGUMENT", "there is no such port for the packet to come by",
                "name a port of the mesh; 'host' needs an iface port with take: 'all'");
}

std::string_view name(Step step) { return kNames[static_cast<size_t>(step)]; }

Explanation explain(const Snapshot& snapshot, const FirstPacket& packet, const LaneView& lane) {
  return Explainer(snapshot, packet).first(lane);
}

Explanation explain(const Snapshot& snapshot, const FirstPacket& packet, const FlowRecord& flow, Direction direction,
                    bool is_new) {
  return Explainer(snapshot, packet).along(flow, direction, is_new);
}

Explanation explain_connection(const Snapshot& snapshot, const FirstPacket& packet) {
  return Explainer(snapshot, packet).of_connection();
}

Explanation explain_running(const Snapshot& snapshot, const FirstPacket& packet, const FlowRecord& flow) {
  Explainer explainer(snapshot, packet);
  return flow.terminated ? explainer.relayed(flow) : explainer.along(flow, kOriginal, false);
}

Explanation explain_opening(const Snapshot& snapshot, const FirstPacket& packet, const FlowRecord& flow,
                            const LaneView& lane) {
  return Explainer(snapshot, packet, &flow).first(lane);
}

}  // namespace flatproxy
