#include "lane/explain_frame.h"

#include <optional>
#include <string>
#include <utility>

#include "l3/echo_reply.h"
#include "l3/hop.h"
#include "lane/admission.h"
#include "lane/frame_kinds.h"
#include "lane/lane.h"
#include "lane/link_message.h"
#include "packet/error.h"
#include "packet/frame.h"
#include "wire/address_rules.h"
#include "wire/arp.h"
#include "wire/embedded.h"
#include "wire/nd.h"
#include "wire/parse.h"
#include "wire/roce_of.h"
#include "wire/tuple_of.h"

namespace flatproxy {
namespace {

std::string reason_text(Reason reason) { return std::string(info(reason).name); }

/// Whether an error is of a kind that TCP heeds: too big, or unreachable.
bool tcp_heeds(const Segment* error) {
  const uint8_t type = error->data[error->l4_offset];
  if (error->family == 4) return type == wire::icmp4::kUnreachable;
  return type == wire::icmp6::kPacketTooBig || type == wire::icmp6::kUnreachable;
}

/// Whether it says that what was sent cannot arrive, whatever its size.
bool says_unreachable(const Segment* error) {
  constexpr uint8_t kFragmentationNeeded = 4;
  const uint8_t* icmp = error->data + error->l4_offset;
  return error->family == 4 ? icmp[0] == wire::icmp4::kUnreachable && icmp[1] != kFragmentationNeeded
                            : icmp[0] == wire::icmp6::kUnreachable;
}

/// Whom a link message asks for, or tells of; empty: it does not say.
std::string link_target(Segment* frame) {
  if (frame->ether_type == wire::ether_type::kArp) {
    const auto arp = wire::Arp::parse({frame->data + frame->l3_offset, wire::kArpSize});
    return arp ? arp->target.to_string() : "";
  }
  if (!pull_up(frame, frame->l4_offset + frame->l4_length)) return "";
  const auto message = wire::NeighborDiscovery::parse({frame->data + frame->l4_offset, frame->l4_length});
  return message ? message->target.to_string() : "";
}

class FrameExplainer {
 public:
  FrameExplainer(const Snapshot& snapshot, FrameInHand& frame, const LaneView& view, Lane* running)
      : s_(snapshot), frame_(frame.segment()), view_(view), running_(running) {
    e_.ports = frame.ports;
  }

  FrameExplanation explain();

 private:
  Explanation of_frame();
  Explanation of_link(bool parsed, Reason why);
  Explanation of_packet();
  void summarize(bool parsed);
  void read_packet();
  bool place_fragment();
  Explanation of_link_message() const;
  Explanation of_error();
  std::optional<Explanation> of_connection();
  std::optional<Explanation> of_roce_flow();
  std::optional<Explanation> of_flow();
  Explanation first() const { return flatproxy::explain(s_, packet(), view_); }
  Explanation first_after(FlowId over) const;

  const FirstPacket& packet() const { return e_.of.packet; }
  bool judged() const { return s_.judges_links(); }
  uint16_t zone() const { return s_.zone(frame_->port, frame_->vlan); }
  bool joined() const { return s_.peer(frame_->port) != kNoPort; }
  static Explanation end(Reason reason, Step step, std::string at = {}, uint32_t id = Explanation::kNone) {
    Explanation said;
    said.reason = reason;
    said.steps.push_back({step, id, std::move(at)});
    return said;
  }
  Explanation pass_on() const {
    Explanation said = end(Reason::passed_on, Step::joined, "", s_.peer(frame_->port));
    said.exit = s_.peer(frame_->port);
    return said;
  }
  bool tcp_runs() const { return running_ != nullptr && !running_->tcp().idle(); }

  const Snapshot& s_;
  Segment* frame_;
  const LaneView& view_;
  Lane* running_;
  FrameExplanation e_;
};

FrameExplanation FrameExplainer::explain() {
  e_.said = of_frame();
  return std::move(e_);
}

Explanation FrameExplainer::of_frame() {
  Reason why;
  const bool parsed = wire::parse_frame(frame_, why);
  summarize(parsed);
  if (joined()) return of_link(parsed, why);
  if (!parsed) return end(why, Step::malformed, reason_text(why));
  if (frame_->vlan != 0) return end(Reason::vlan_unknown, Step::vlan, "", frame_->vlan);
  if (is_link_message(frame_)) return of_link_message();
  switch (const Reason refusal = refusal_of(frame_, s_.port(frame_->port)->info())) {
    case Reason::forwarded:
      return of_packet();
    case Reason::ether_type_unknown:
      return end(refusal, Step::ether_type, "", frame_->ether_type);
    case Reason::multicast_ignored:
      if (wire::means_many(wire::destination_of(frame_))) return end(refusal, Step::destination_many);
      return end(refusal, Step::group_mac, e_.of.destination.to_string());
    default:
      return end(refusal, Step::other_mac, e_.of.destination.to_string());
  }
}

/// What comes by a joined port.
Explanation FrameExplainer::of_link(bool parsed, Reason why) {
  const bool packet = parsed && frame_->family != 0;
  if (packet && !(judged() && is_link_message(frame_))) return of_packet();
  if (packet || !judged() || !hides_ip(frame_, parsed, why)) return pass_on();
  if (!parsed) return end(why, Step::malformed, reason_text(why));
  return why == Reason::vlan_unknown ? end(why, Step::vlan, "", frame_->vlan)
                                     : end(why, Step::ether_type, "", frame_->ether_type);
}

void FrameExplainer::summarize(bool parsed) {
  FrameSummary& of = e_.of;
  if (frame_->frame_length < wire::kEthernetSize) return;
  of.kind = FrameSummary::Kind::ethernet;
  of.destination = wire::load_mac(frame_->data);
  of.source = wire::load_mac(frame_->data + sizeof(wire::Mac));
  if (!parsed) return;
  if (frame_->ether_type == wire::ether_type::kArp) of.kind = FrameSummary::Kind::arp;
  if (frame_->family == 0) return;
  of.kind = FrameSummary::Kind::ip;
  read_packet();
}

void FrameExplainer::read_packet() {
  FirstPacket& packet = e_.of.packet;
  PacketTraits& traits = packet.traits;
  packet.port = frame_->port;
  packet.vlan = frame_->vlan;
  traits.addresses_valid = true;
  traits.size = packet_size(frame_);
  traits.hops = hops_left(frame_);
  traits.makes_flow = is_tcp_or_udp(frame_) || is_echo(frame_);
  traits.echo_request = is_echo_request(frame_);
  const bool first = (frame_->flags & kFirstFragment) != 0;
  const bool later = (frame_->flags & kLaterFragment) != 0;
  if (first) traits.part = Part::first;
  if (later) traits.part = place_fragment() ? Part::later : Part::unplaced;
  packet.tuple = wire::tuple_of(frame_);
  if (wire::is_to_roce_port(frame_)) {
    const wire::Bytes bytes = wire::roce_of(frame_);
    if (bytes.empty()) return;
    const wire::Bth bth = wire::Bth::read(bytes.data());
    packet.roce = RoceTarget{bth.destination_qp, wire::kRoceOpcodes[bth.opcode].kind};
  }
  if (packet.tuple.protocol != wire::protocol::kTcp || later) return;
  const uint8_t flags = read_tcp_header(frame_).flags;
  traits.opens = (flags & (kTcpSyn | kTcpAck)) == kTcpSyn;
  traits.resets = (flags & kTcpRst) != 0;
  const Listener* taker = first ? nullptr : listener_for(s_, packet);
  if (taker == nullptr) return;
  const tcp::Fate fate =
      tcp_runs() ? running_->tcp().stack().foresee(frame_, static_cast<uint16_t>(taker->id)) : tcp::first_fate(frame_);
  traits.claimed = fate != tcp::Fate::unclaimed;
  if (fate == tcp::Fate::bad_checksum) traits.fault = Reason::tcp_checksum_bad;
  if (fate == tcp::Fate::bad_options) traits.fault = Reason::tcp_options_invalid;
}

/// Gives a later fragment the ports that its packet's first one told. False: that one is not known.
bool FrameExplainer::place_fragment() {
  if (!e_.ports && running_ != nullptr) e_.ports = running_->flows().fragments().ports_of(frame_, zone());
  if (!e_.ports) return false;
  frame_->l4_ports = *e_.ports;
  return true;
}

Explanation FrameExplainer::of_link_message() const {
  const std::string target = link_target(frame_);
  const Reason reason = answer_link_message(s_, frame_).reason;
  switch (reason) {
    case Reason::arp_answered:
    case Reason::nd_answered:
      return end(reason, Step::link_answered, target);
    case Reason::neighbor_learned:
      return end(reason, Step::link_learned, target);
    case Reason::not_for_us:
      return end(reason, Step::link_ignored, target);
    default:
      return end(reason, Step::malformed, reason_text(reason));
  }
}

Explanation FrameExplainer::of_packet() {
  if (wire::is_icmp_error(frame_)) return of_error();
  if (auto said = of_connection()) return *std::move(said);
  if (joined() && !judged()) return first();
  if (auto said = of_roce_flow()) return *std::move(said);
  if (ends_here(s_, packet(), view_.draining)) return first();
  if (auto said = of_flow()) return *std::move(said);
  return first();
}

Explanation FrameExplainer::of_error() {
  Tuple sent;
  wire::EmbeddedView view;
  Quote quote;
  FlowRecord flow;
  const bool quotes = wire::embedded_tuple(frame_, sent, view, quote.fault);
  if (quotes) quote.fault = Reason::forwarded;
  if (tcp_runs() && quotes && sent.protocol == wire::protocol::kTcp) {
    const TcpStage& tcp = running_->tcp();
    const bool looks = tcp.intercepts() || s_.ours(packet().tuple.destination);
    quote.connection = looks && tcp.stack().knows(sent) &&
                       (tcp_heeds(frame_) || !s_.admits_source(frame_->port, packet().tuple.source));
  }
  if (joined() && !judged() && !quote.connection) return pass_on();
  if (running_ != nullptr && quotes && !quote.connection) {
    FlowStage& flows = running_->flows();
    Tuple tuple = sent.reversed();
    tuple.zone = zone();
    const FlowMatch match = flows.conntrack().table().find(tuple, flow_hash(tuple, running_->hash_key()));
    if (match.id != kNoFlow) {
      flow = flows.record(match.id);
      quote.flow = &flow;
      quote.direction = match.direction;
    } else if (!joined()) {
      quote.probe = sent.protocol == wire::protocol::kTcp && says_unreachable(frame_) && running_->has_probed(sent) &&
                    s_.ours(packet().tuple.destination);
    }
  }
  e_.known = quote.connection || quote.flow != nullptr || quote.probe;
  return explain_error(s_, packet(), quote, view_);
}

/// What TCP here makes of a segment of a connection that it has. Nothing: it is none.
std::optional<Explanation> FrameExplainer::of_connection() {
  const Tuple& tuple = packet().tuple;
  if (tuple.protocol != wire::protocol::kTcp || packet().traits.part >= Part::later || !tcp_runs()) return {};
  const TcpStage& tcp = running_->tcp();
  const bool ours = s_.ours(tuple.destination) || tcp.is_to_retired(frame_);
  if (!ours && !tcp.intercepts()) return {};
  const Listener* taker = listener_for(s_, packet());
  if (ours && taker == nullptr && !tcp.is_to_retired(frame_) && !SourcePorts::holds(tuple.destination_port)) return {};
  const bool known = tcp.stack().knows(tuple.reversed());
  const bool spoken_for = !ours && tcp.stack().knows(tuple);  // we speak in the name of its sender
  if (!known && !spoken_for) return {};
  e_.known = true;
  if (packet().traits.part == Part::first) {
    if (!known) return {};
    return explain_connection(s_, packet(), Reason::tcp_fragmented);
  }
  const bool listens = taker != nullptr && !view_.draining;
  Reason reason = Reason::tcp_terminated;
  switch (tcp.stack().foresee(frame_, listens ? static_cast<uint16_t>(taker->id) : tcp::Stack::kNoListener)) {
    case tcp::Fate::bad_checksum:
      reason = Reason::tcp_checksum_bad;
      break;
    case tcp::Fate::bad_options:
      reason = Reason::tcp_options_invalid;
      break;
    case tcp::Fate::unclaimed:
      if (ours ? taker == nullptr : !spoken_for) return {};
      reason = ours && view_.draining ? Reason::draining : Reason::tcp_no_connection;
      break;
    default:
      break;
  }
  return explain_connection(s_, packet(), reason, listens && packet().traits.opens);
}

/// Along the flow of RoCEv2 that it belongs to.
std::optional<Explanation> FrameExplainer::of_roce_flow() {
  if (running_ == nullptr || !packet().roce) return {};
  const RoceStage& stage = running_->roce();
  const Tuple& tuple = packet().tuple;
  const RoceKey key{tuple.source, tuple.destination, packet().roce->qp, tuple.family, zone()};
  const FlowId id = stage.table().find(key, roce_hash(key, running_->hash_key()), kNoFlow);
  if (id == kNoFlow) return {};
  const bool passes = (stage.table().at(id).allowed >> static_cast<unsigned>(packet().roce->kind) & 1) != 0;
  e_.known = true;
  return flatproxy::explain(s_, packet(), stage.record(id), kOriginal, !passes);
}

std::optional<Explanation> FrameExplainer::of_flow() {
  const bool placed = packet().traits.part != Part::unplaced;
  if (running_ == nullptr || !packet().traits.makes_flow || !placed || running_->flows().stateless()) return {};
  FlowStage& flows = running_->flows();
  const Conntrack& conntrack = flows.conntrack();
  const Tuple tuple = tuple_in_zone(s_, packet());
  const FlowMatch match = conntrack.table().find(tuple, flow_hash(tuple, running_->hash_key()));
  if (match.id == kNoFlow) return {};
  const FlowRecord flow = flows.record(match.id);
  e_.known = true;
  if (tuple.protocol == wire::protocol::kTcp) {
    const TcpJudgement judgement = conntrack.foresee(match, frame_);
    if (judgement == TcpJudgement::reopened) return first_after(match.id);
    PacketTraits& traits = e_.of.packet.traits;
    if (judgement == TcpJudgement::out_of_window) traits.misfit = Reason::tcp_out_of_window;
    if (judgement == TcpJudgement::wrong_state) traits.misfit = Reason::tcp_state_invalid;
  }
  return flatproxy::explain(s_, packet(), flow, match.direction);
}

/// As the first packet of another flow than one that has the same tuple, and is over.
Explanation FrameExplainer::first_after(FlowId over) const {
  const FlowTable& table = running_->flows().conntrack().table();
  LaneView view = view_;
  view.taken = [this, original = table.original(over), reply = table.reply(over)](const Tuple& tuple) {
    return tuple != original && tuple != reply && view_.taken(tuple);
  };
  return flatproxy::explain(s_, packet(), view);
}

}  // namespace

FrameInHand::FrameInHand(std::span<const uint8_t> bytes) : buffers_(1, 5, 1) {
  if (bytes.empty() || bytes.size() > kMost)
    throw Error("ERR_FLATPROXY_ARGUMENT", "a frame has 1 to " + std::to_string(kMost) + " bytes");
  head_ = buffers_.small.allocate();
  append(head_, bytes.data(), static_cast<uint32_t>(bytes.size()), buffers_);
}

FrameInHand::~FrameInHand() { release(head_); }

FrameExplanation explain_frame(const Snapshot& snapshot, uint16_t port, FrameInHand& frame, const LaneView& view,
                               Lane* running) {
  frame.segment()->port = port;
  return FrameExplainer(snapshot, frame, view, running).explain();
}

}  // namespace flatproxy
