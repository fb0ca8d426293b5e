#include "lane/explain.h"

#include <string>
#include <utility>

#include "classify/policy_misfit.h"
#include "lane/explain_steps.h"
#include "lane/explainer.h"
#include "packet/error.h"
#include "wire/address_rules.h"
#include "wire/protocol.h"

namespace flatproxy {
namespace {

/// Whether a flow's endpoint follows from its addresses alone.
bool is_by_hash(const Service& service) {
  return service.balance == Balance::maglev || service.balance == Balance::ring_hash || service.source_affinity;
}

}  // namespace

Explanation Explainer::first(const LaneView& lane) {
  if (!arrives()) return std::move(e_);
  if (is_on_link()) {
    if (may_pass_link(lane)) pass_on();
    return std::move(e_);
  }
  if (!addresses() || !source() || !fragments() || !may_pass_listeners(lane)) return std::move(e_);
  if (!traits_.makes_flow) {
    tell(Step::flowless);
    aside(lane);
    return std::move(e_);
  }
  const Opening opening = opening_for(s_, tuple_, lane.balance);
  if (opening.service == nullptr) {
    tell(Step::no_service);
    if (s_.ours(tuple_.destination)) {
      own_address(tuple_.destination, lane);
      return std::move(e_);
    }
  } else {
    e_.service = opening.service->id;
    tell(opening.direction == kReply ? Step::reply : Step::service, opening.service->id);
  }
  follow(opening, lane);
  return std::move(e_);
}

void Explainer::follow(const Opening& opening, const LaneView& lane) {
  if (open(opening, lane)) {
    const bool translated = opening.service != nullptr && opening.direction == kOriginal;
    // The endpoint is told by its index until here.
    const auto& to = translated ? opening.service->endpoints[e_.endpoint].address : tuple_.destination;
    leave(to, opening.direction, client_port(s_, opening, packet_.port));
  }
  if (e_.endpoint != Explanation::kNone) e_.endpoint = opening.service->endpoints[e_.endpoint].id;
}

/// Between joined ports.
bool Explainer::may_pass_link(const LaneView& lane) {
  // What is not valid passes unseen there, unless something else is judged.
  if (!s_.judges_links()) {
    const bool seen = traits_.addresses_valid || address_problem() == Reason::forwarded;
    return !seen || may_pass_listeners(lane);
  }
  if (!valid_addresses() || !source() || !fragments() || !may_pass_listeners(lane)) return false;
  if (!traits_.makes_flow) {
    tell(Step::flowless);
    return judge_flowless();
  }
  if (s_.flows.track_all) return judge_first();
  tell(Step::untracked);
  return true;
}

void Explainer::pass_on() {
  e_.exit = s_.peer(packet_.port);
  end(Reason::passed_on, Step::joined, e_.exit);
}

/// What makes no flow is judged by itself.
bool Explainer::judge_flowless() {
  PolicyKey key{tuple_.source, tuple_.destination, tuple_.protocol, 0, packet_.port};
  key.vlan = tuple_.vlan();
  return judge(key);
}

void Explainer::aside(const LaneView& lane) {
  if (!judge_flowless()) return;
  if (s_.ours(tuple_.destination)) {
    own_address(tuple_.destination, lane);
  } else {
    leave(tuple_.destination, kOriginal, packet_.port);
  }
}

Reason Explainer::address_problem() const {
  const auto& [from, to, from_port, to_port, protocol, family, zone] = tuple_;
  const bool v4 = family == 4;
  const bool from_valid = v4 ? wire::v4_source_valid(from, protocol, uint32_t{from_port} << 16 | to_port)
                             : wire::v6_source_valid(from, false);
  if (!from_valid) return Reason::source_invalid;
  const bool to_valid = v4 ? wire::v4_destination_valid(to) : wire::v6_destination_valid(to);
  return to_valid ? Reason::forwarded : Reason::destination_invalid;
}

bool Explainer::arrives() { return s_.port(packet_.port) != nullptr || end(Reason::port_down, Step::no_port); }

/// Tags are known between joined ports alone.
bool Explainer::tag() {
  return packet_.vlan == 0 || is_on_link() || end(Reason::vlan_unknown, Step::vlan, packet_.vlan);
}

bool Explainer::addresses() {
  if (!valid_addresses() || !tag()) return false;
  const bool many = !traits_.addresses_valid && wire::means_many(tuple_.destination);
  return !many || end(Reason::multicast_ignored, Step::destination_many);
}

bool Explainer::valid_addresses() {
  if (traits_.addresses_valid) return true;
  const Reason problem = address_problem();
  if (problem == Reason::source_invalid) return end(problem, Step::source_invalid);
  if (problem == Reason::destination_invalid) return end(problem, Step::destination_invalid);
  return true;
}

/// Fragments follow their packet's first one; what waits for it in vain is dropped.
bool Explainer::fragments() {
  if (traits_.part == Part::whole) return true;
  if (traits_.part == Part::unplaced) return end(Reason::fragment_unmatched, Step::fragment_waiting);
  tell(traits_.part == Part::first ? Step::fragment_first : Step::fragment_later);
  const bool roce = tuple_.protocol == wire::protocol::kUdp && tuple_.destination_port == wire::kRocePort;
  if (roce && s_.policies->speaks_of_roce()) return end(Reason::roce_fragmented, Step::fragment_roce);
  return true;
}

bool Explainer::may_pass_listeners(const LaneView& lane) {
  if (!is_tcp() || traits_.part >= Part::later || s_.listeners->empty()) return true;
  const Listener* listener = listener_for(s_, packet_);
  if (listener == nullptr) {
    tell(Step::no_listener);
    return true;
  }
  // Of what comes by a joined port, sources may be looked at only if it ends here.
  if (is_on_link() && !s_.judges_links() && !source()) return false;
  if (!ends_here(s_, packet_, lane.draining)) {
    if (!lane.draining) tell(Step::not_intercepted, listener->id);
    return true;
  }
  e_.listener = listener->id;
  end(Reason::tcp_terminated, Step::listener, listener->id);
  if (traits_.part == Part::first) return end(Reason::tcp_fragmented, Step::segment_fragmented);
  if (lane.draining) return end(Reason::draining, Step::draining);
  limits_ = Limits::of_flows;
  const PolicyKey key = policy_key(tuple_, tuple_.destination, tuple_.destination_port, packet_.port);
  if (traits_.opens && !judge(key)) return false;
  if (traits_.fault != Reason::forwarded)
    return end(traits_.fault, Step::segment_fault, Explanation::kNone, std::string(info(traits_.fault).name));
  if (!traits_.claimed) return end(Reason::tcp_no_connection, Step::no_connection);
  if (opened_ != nullptr) {
    lead_to(*opened_, packet_.port, true);
  } else {
    relay(*listener, lane);
  }
  return false;
}

bool Explainer::source() {
  if (!s_.sources->active()) return true;
  const wire::Address& from = tuple_.source;
  if (is_on_link() && s_.judges_links() && (from.unspecified() || from.link_local())) return true;
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

void Explainer::own_address(const wire::Address& address, const LaneView& lane) {
  if (is_tcp() && traits_.part < Part::later && lane.probed(tuple_.reversed())) {
    end(Reason::probe_answered, Step::probe);
    return;
  }
  const bool icmp = tuple_.protocol == wire::protocol::kIcmp || tuple_.protocol == wire::protocol::kIcmp6;
  const Reason reason = answer_of(s_, packet_.port, address, icmp && traits_.echo_request);
  const Step step = reason == Reason::forwarded       ? Step::own_node
                    : reason == Reason::echo_answered ? Step::own_echo
                                                      : Step::own_refused;
  end(reason, step);
  if (reason == Reason::forwarded) fits(host_side(packet_.port));
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
  return judge(key) && judge_back() && may_be_met();
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
  if (meets_mid_stream()) tell(Step::mid_stream);
  e_.reason = Reason::service_forwarded;
  return may_be_met();
}

/// What is met in mid-stream may as well run the other way.
bool Explainer::judge_back() {
  if (!meets_mid_stream()) return true;
  tell(Step::mid_stream);
  const uint32_t policy = e_.policy;
  const Tuple back = tuple_.reversed();
  const uint16_t arrival = port_towards(s_, back.source, packet_.port);
  if (!allows(policy_key(back, back.destination, back.destination_port, arrival))) return false;
  e_.policy = policy;
  return true;
}

/// Of TCP only a SYN opens a flow for certain.
bool Explainer::may_be_met() {
  if (!is_tcp() || (traits_.opens && traits_.part < Part::later)) return true;
  const bool never = traits_.part >= Part::later || traits_.resets || !s_.flows.adopt_midstream;
  return !never || end(Reason::tcp_no_flow, Step::no_flow);
}

/// @param none the first of the steps of this direction, in the order of PolicyOpinion::Kind
void Explainer::opinion(const PolicyKey& key, PolicyDirection direction, Step none) {
  const PolicyOpinion opinion = s_.policies->opinion(key, direction);
  const auto step = static_cast<Step>(static_cast<uint8_t>(none) + opinion.kind);
  if (opinion.kind != PolicyOpinion::isolated) return tell(step, opinion.policy);
  const PolicySet& set = s_.policies->set();
  tell(step, opinion.policy, std::string(misfit(set, set.policies[opinion.policy], key)));
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

/// The same for what policies want nothing done with.
bool Explainer::allows(const PolicyKey& key) {
  const PolicyTable& policies = *s_.policies;
  if (policies.empty()) return true;
  const Judgement judgement = policies.judge(key);
  opinion(key, PolicyDirection::egress, Step::egress_none);
  opinion(key, PolicyDirection::ingress, Step::ingress_none);
  const bool by_default = judgement.policy == Judgement::kNoPolicy;
  if (by_default) tell(judgement.passes() ? Step::default_allow : Step::default_deny);
  e_.policy = judgement.policy;
  if (!judgement.passes()) e_.reason = judgement.reason;
  return judgement.passes();
}

bool Explainer::has_hops() { return traits_.hops > 1 || end(Reason::ttl_exceeded, Step::hops_over); }

bool Explainer::fits(uint16_t exit) {
  const Port* port = s_.port(exit);
  if (port != nullptr && traits_.size > port->info().mtu)
    return end(Reason::packet_too_big, Step::too_big, exit, std::to_string(port->info().mtu));
  e_.exit = exit;
  return true;
}

/// @param ingress the port that the flow's client is behind
bool Explainer::leave(const wire::Address& destination, Direction direction, uint16_t ingress) {
  if (!has_hops()) return false;
  if (direction == kReply && ingress != kNoPort && is_host_side(ingress)) {
    if (s_.port(ingress) == nullptr) return end(Reason::port_down, Step::back_to_node, ingress);
    tell(Step::back_to_node, ingress);
    return fits(ingress);
  }
  const Route* route = s_.routes->lookup(destination);
  if (route == nullptr) return end(Reason::no_route, Step::no_route);
  tell(Step::route, route->port, route->to.network().to_string());
  if (route->has_via) e_.steps.back().via = route->via.to_string();
  return fits(route->port == s_.node_port ? s_.node_side(packet_.port) : route->port);
}

uint16_t placed(uint16_t port, const Snapshot& snapshot) {
  if (port == kNoPort || port == snapshot.node_port) port = snapshot.node_side(0);
  if (port == kNoPort || snapshot.port(port) == nullptr)
    throw Error("ERR_FLATPROXY_ARGUMENT", "there is no such port for the packet to come by",
                "name a port of the mesh; 'host' needs an iface port with take: 'all'");
  return port;
}

const Listener* listener_for(const Snapshot& snapshot, const FirstPacket& packet) {
  const Tuple& to = packet.tuple;
  if (to.protocol != wire::protocol::kTcp || packet.traits.part >= Part::later) return nullptr;
  return snapshot.ours(to.destination)
             ? snapshot.listeners->find(to.destination, to.destination_port, packet.port)
             : snapshot.listeners->find_intercepting(to.destination, to.destination_port, packet.port);
}

bool ends_here(const Snapshot& snapshot, const FirstPacket& packet, bool draining) {
  if (listener_for(snapshot, packet) == nullptr) return false;
  if (snapshot.ours(packet.tuple.destination)) return true;
  // What would be intercepted passes on while we drain, and so does what opens nothing.
  return !draining && packet.traits.part == Part::whole && packet.traits.claimed;
}

Explanation explain(const Snapshot& snapshot, const FirstPacket& packet, const LaneView& lane) {
  return Explainer(snapshot, packet).first(lane);
}

Explanation explain_opening(const Snapshot& snapshot, const FirstPacket& packet, const FlowRecord& flow,
                            const LaneView& lane) {
  return Explainer(snapshot, packet, &flow).first(lane);
}

}  // namespace flatproxy
