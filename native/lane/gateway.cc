#include "lane/gateway.h"

#include <cstring>

#include "l3/arp_responder.h"
#include "l3/echo_reply.h"
#include "l3/nd_responder.h"
#include "l3/tcp_reset.h"
#include "lane/admission.h"
#include "lane/first_packet.h"
#include "lane/health_stage.h"
#include "lane/link_message.h"
#include "packet/frame.h"
#include "wire/bytes.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/protocol.h"
#include "wire/tcp.h"
#include "wire/tuple_of.h"

namespace flatproxy {
namespace {

constexpr uint32_t kL3 = wire::kEthernetSize;

/// Takes a priority tag (802.1Q with VLAN id 0) off: the packet leaves untagged.
void strip_tag(Segment* frame) {
  const auto tag = static_cast<uint16_t>(frame->l3_offset - kL3);
  frame->trim_front(tag);
  frame->l3_offset = kL3;
  frame->l4_offset = static_cast<uint16_t>(frame->l4_offset - tag);
  frame->payload_offset = static_cast<uint16_t>(frame->payload_offset - tag);
  frame->checksum_start = static_cast<uint16_t>(frame->checksum_start - tag);
  wire::store16(frame->data + 12, frame->ether_type);
}

}  // namespace

Gateway::Gateway(unsigned lane, LaneShared& shared, Buffers& buffers, Egress& egress)
    : lane_(lane), shared_(shared), buffers_(buffers), egress_(egress), neighbors_(shared.key) {}

void Gateway::adopt(const Snapshot& snapshot) {
  if (snapshot_ != nullptr) {
    for (uint16_t id = 0; id < kPortIds; ++id) {
      if (snapshot_->port(id) != nullptr && snapshot.port(id) != snapshot_->port(id)) neighbors_.forget_port(id, *this);
    }
  }
  snapshot_ = &snapshot;
  neighbors_.forget_exits();
}

bool Gateway::admit(Segment* frame) {
  if (frame->vlan != 0) [[unlikely]] {
    egress_.drop(frame, Reason::vlan_unknown);
    return false;
  }
  if (is_link_message(frame)) [[unlikely]] {
    take_link_message(frame);
    return false;
  }
  const Reason refusal = refusal_of(frame, snapshot_->port(frame->port)->info());
  if (refusal == Reason::forwarded) return true;
  egress_.drop(frame, refusal);
  return false;
}

void Gateway::take_link_message(Segment* frame) {
  if (shared_.lanes() > 1) share_link_message(frame);
  const uint16_t port = frame->port;
  const NeighborOutcome outcome = answer_link_message(*snapshot_, frame);
  if (outcome.reason == Reason::arp_answered || outcome.reason == Reason::nd_answered) {
    egress_.send(frame, port, outcome.reason);
  } else {
    egress_.drop(frame, outcome.reason);
  }
  if (outcome.news) neighbors_.learn(port, *outcome.news, now_, *this);
}

/// Every lane keeps its own neighbours, and the answer to one lane's question may come to another one.
void Gateway::share_link_message(const Segment* frame) {
  for (unsigned lane = 0; lane < shared_.lanes(); ++lane) {
    if (lane == lane_) continue;
    Segment* copy = copy_frame(frame, buffers_);
    if (copy == nullptr) return;
    copy->flags |= kHandedOver;
    if (shared_.handover.give(lane_, lane, copy)) {
      shared_.handover.notify(lane);
    } else {
      release(copy);
    }
  }
}

void Gateway::learn_from(Segment* copy) {
  const uint16_t port = copy->port;
  if (snapshot_->port(port) == nullptr) {
    release(copy);
    return;
  }
  const NeighborOutcome outcome = answer_link_message(*snapshot_, copy);
  release(copy);
  if (outcome.news) neighbors_.learn(port, *outcome.news, now_, *this);
}

void Gateway::carry_unusual(Segment* frame, Reason reason) {
  const wire::Address destination = wire::destination_of(frame);
  if (is_ours(destination)) {
    answer(frame);
    return;
  }
  if (!lives_on(frame)) return;
  Reason why;
  const uint16_t exit = resolve(frame, why);
  if (exit != kNoExit) {
    // Which way leads to the node's own stack depends on where the packet came from.
    if (!is_host_side(port_of(exit))) remember_exit(destination, exit);
    if (send_by(frame, exit, reason, why)) return;
  }
  reject(frame, why);
}

void Gateway::remember_exit(const wire::Address& destination, uint16_t exit) {
  if (destination.is_v4()) {
    exits_v4_.at(destination.v4()) = {destination.v4(), epoch(), exit};
  } else {
    exits_v6_.at(destination) = {destination, epoch(), exit};
  }
}

uint16_t Gateway::resolve(const Segment* frame, Reason& why) {
  const wire::Address destination = wire::destination_of(frame);
  const Route* route = snapshot_->routes->lookup(destination);
  if (route == nullptr) {
    why = Reason::no_route;
    return kNoExit;
  }
  why = Reason::neighbor_table_full;
  if (route->port == snapshot_->node_port) return exit_to_node(snapshot_->node_side(frame->port));
  const wire::Address& hop = route->has_via ? route->via : destination;
  const NeighborIndex index = neighbors_.find_or_create(route->port, hop, now_, *this);
  if (index != kNoExit && !neighbors_.at(index).usable()) confirm_only_peer(route->port, hop);
  return index;
}

uint16_t Gateway::exit_to_node(uint16_t side) {
  const Port* port = snapshot_->port(side);
  if (port == nullptr) return kNoExit;
  const NeighborIndex index = neighbors_.find_or_create(side, wire::Address{}, now_, *this);
  if (index != kNoExit && !neighbors_.at(index).usable()) confirm_only_peer(side, {});
  return index;
}

/// Behind a port with one peer all neighbours are that one, and none needs to be asked.
void Gateway::confirm_only_peer(uint16_t id, const wire::Address& neighbor) {
  const Port* port = snapshot_->port(id);
  if (port == nullptr || port->info().only_peer == wire::Mac{}) return;
  NeighborNews news;
  news.address = neighbor;
  news.mac = port->info().only_peer;
  news.solicited = true;
  neighbors_.learn(id, news, now_, *this);
}

bool Gateway::send_unusual(Segment* frame, uint16_t exit, Reason reason, Reason& why) {
  const Neighbor& neighbor = neighbors_.at(exit);
  frame->exit = neighbor.port;
  if (neighbor.mtu == 0) {
    why = Reason::port_down;
    return false;
  }
  if (packet_size(frame) > neighbor.mtu) {
    why = Reason::packet_too_big;
    return false;
  }
  if (frame->l3_offset != kL3) strip_tag(frame);
  take_padding_off(frame);
  take_hop(frame->data + kL3, frame->family);
  frame->reason = reason;
  neighbors_.queue(exit, frame, *this);
  return true;
}

/// An answer to a probe of ours, which ends at the lane that probes.
bool Gateway::take_probe_answer(Segment* frame) {
  if (frame->protocol != wire::protocol::kTcp || (frame->flags & kLaterFragment) != 0) return false;
  if (health_ != nullptr) return health_->take(frame, now_);
  return give_to_health(frame, static_cast<uint16_t>(frame->l4_ports));
}

bool Gateway::take_probe_error(Segment* frame, const Tuple& quoted, uint16_t l4_offset) {
  const uint8_t* icmp = frame->data + frame->l4_offset;
  constexpr uint8_t kFragmentationNeeded = 4;
  const bool unreachable = frame->family == 4 ? icmp[0] == wire::icmp4::kUnreachable && icmp[1] != kFragmentationNeeded
                                              : icmp[0] == wire::icmp6::kUnreachable;
  if (!unreachable || quoted.protocol != wire::protocol::kTcp) return false;
  if (health_ == nullptr) return give_to_health(frame, quoted.source_port);
  return health_->take_error(frame, quoted, wire::load32(frame->data + l4_offset + wire::TcpView::kSequence), now_);
}

// Hands what may be a probe's to the lane that has the health stage.
bool Gateway::give_to_health(Segment* frame, uint16_t probe_port) {
  if (probe_port < ProberOptions{}.first_port || (frame->flags & kHandedOver) != 0) return false;
  frame->flags |= kHandedOver;
  if (shared_.handover.give(lane_, HealthStage::kLane, frame)) {
    shared_.handover.notify(HealthStage::kLane);
  } else {
    egress_.drop(frame, Reason::handover_full);
  }
  return true;
}

void Gateway::answer(Segment* frame) {
  if (take_probe_answer(frame)) return;
  const uint16_t port = frame->port;
  Reason reason = answer_of(*snapshot_, port, wire::destination_of(frame), is_echo_request(frame));
  if (reason == Reason::forwarded) {
    reason = Reason::neighbor_table_full;
    const uint16_t exit = exit_to_node(host_side(port));
    if (exit != kNoExit && send_by(frame, exit, Reason::forwarded, reason)) return;
  } else if (reason == Reason::echo_answered) {
    make_echo_reply(frame);
    egress_.send(frame, port, reason);
    return;
  }
  reject(frame, reason);
}

void Gateway::reject(Segment* frame, Reason why) {
  Segment* answer = info(why).verdict == Verdict::reject ? error_for(frame, why) : nullptr;
  if (answer != nullptr) egress_.send(answer, frame->port, Reason::originated);
  egress_.drop(frame, why);
}

/// What tells the sender: a reset for TCP to an address of ours, an ICMP error for all else.
Segment* Gateway::error_for(const Segment* frame, Reason why) {
  if (!errors_.take(now_)) return nullptr;
  const wire::Address* own = snapshot_->own(frame->port, frame->family);
  const wire::Address destination = wire::destination_of(frame);
  const wire::Address source = own != nullptr ? *own : destination;
  switch (why) {
    case Reason::ttl_exceeded:
      return make_icmp_error(buffers_, frame, IcmpError::time_exceeded, source);
    case Reason::packet_too_big:
      return make_icmp_error(buffers_, frame, IcmpError::packet_too_big, source,
                             snapshot_->port(frame->exit)->info().mtu);
    case Reason::no_route:
      return make_icmp_error(buffers_, frame, IcmpError::net_unreachable, source);
    case Reason::neighbor_unresolved:
      return make_icmp_error(buffers_, frame, IcmpError::host_unreachable, source);
    case Reason::policy_rejected:
      if (frame->protocol == wire::protocol::kTcp) break;
      return make_icmp_error(buffers_, frame, IcmpError::admin_prohibited, source);
    default:
      break;
  }
  if (frame->protocol == wire::protocol::kTcp) return make_reset(buffers_, frame);
  return make_icmp_error(buffers_, frame, IcmpError::port_unreachable, is_ours(destination) ? destination : source);
}

void Gateway::tick() {
  neighbors_.tick(now_, *this);
  for (const auto& [id, neighbor] : confirm_) confirm_only_peer(id, neighbor);
  confirm_.clear();
}

LinkEnd Gateway::link(uint16_t id) const {
  const Port* port = snapshot_->port(id);
  return port != nullptr ? LinkEnd{port->info().mac, port->info().mtu} : LinkEnd{};
}

void Gateway::solicit(const Neighbor& neighbor) {
  const Port* port = snapshot_->port(neighbor.port);
  if (port == nullptr) return;
  if (port->info().only_peer != wire::Mac{}) {
    confirm_.push_back({neighbor.port, neighbor.address});
    return;
  }
  const bool v4 = neighbor.address.is_v4();
  const wire::Address* own = snapshot_->own(neighbor.port, v4 ? 4 : 6);
  if (own == nullptr) return;  // without an address nobody can answer us
  const Solicitor from{port->info().mac, *own};
  const wire::Mac known = neighbor.state == NeighborState::probe ? neighbor.mac : wire::kBroadcastMac;
  Segment* frame = v4 ? make_arp_request(buffers_, from, neighbor.address, known)
                      : make_neighbor_solicitation(buffers_, from, neighbor.address, known);
  if (frame != nullptr) egress_.send(frame, neighbor.port, Reason::originated);
}

void Gateway::deliver(Segment* frame, NeighborIndex index) {
  transmit(frame, neighbors_.use(index, now_), frame->reason);
}

/// A frame that was translated is not quoted to its sender: it would not know it again.
void Gateway::fail(Segment* frame, Reason why) {
  if (frame->reason == Reason::forwarded) {
    reject(frame, why);
  } else {
    egress_.drop(frame, why);
  }
}

}  // namespace flatproxy
