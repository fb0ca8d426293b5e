#include "lane/tcp_stage.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "conntrack/tcp_segment.h"
#include "packet/frame.h"
#include "wire/embedded.h"
#include "wire/icmp.h"
#include "wire/protocol.h"
#include "wire/tcp.h"
#include "wire/tuple_of.h"

namespace flatproxy {
namespace {

/// Handshakes of a listener that are under way, on one lane, before SYNs are answered with cookies.
constexpr uint32_t kBacklog = 4096;

tcp::Settings settings() {
  tcp::Settings s;
  // Each connection's own path decides.
  s.mtu4 = s.mtu6 = 65535;
  s.timer_slack = tcp::kTimerSlack;
  return s;
}

/// Whether policies may say of what runs what they did not say before: they are others, or ask where clients are.
bool may_judge_otherwise(const Snapshot& before, const Snapshot& now) {
  if (before.policies != now.policies) return true;
  return now.policies->speaks_of_arrival() && (before.sources != now.sources || before.routes != now.routes);
}

bool leads_from_client(const Snapshot& snapshot) {
  return std::any_of(snapshot.services.begin(), snapshot.services.end(),
                     [](const auto& service) { return service != nullptr && service->from_client; });
}

}  // namespace

TcpStage::TcpStage(unsigned lane, LaneShared& shared, LaneCounters& counters, Egress& egress, Gateway& gateway,
                   FlowStage& flows, uint32_t capacity)
    : shared_(shared),
      counters_(counters),
      egress_(egress),
      gateway_(gateway),
      flows_(flows),
      stack_(settings(), capacity, shared.tcp_secrets, *shared.buffers[lane], *this),
      streams_(stack_, *shared.buffers[lane], counters.tls.data()),
      links_(shared.key),
      backends_(
          lane, shared, counters, flows.balance(), stack_, links_,
          [this](FlowEventKind kind, uint32_t index) { report(kind, index); },
          [&flows](const FlowRecord& flow, const PolicyKey& key) { flows.refuse_relayed(flow, key); }),
      exchange_log_(shared),
      relay_(streams_, backends_, shared.relay_limits, capacity / 2, counters.listeners.data()),
      http_(streams_, *shared.buffers[lane], backends_, shared.relay_limits, capacity / 2,
            {counters.listeners.data(), counters.http.data(), &counters.routes, &counters.endpoints, &exchange_log_}) {}

void TcpStage::adopt(const Snapshot& snapshot) {
  const auto* before = snapshot_ != nullptr ? snapshot_->listeners.get() : nullptr;
  if (snapshot_ != nullptr && may_judge_otherwise(*snapshot_, snapshot)) sweep_.start_if(snapshot.policies->cuts());
  snapshot_ = &snapshot;
  guarded_ = snapshot.sources->active();
  backends_.adopt(snapshot);
  exchange_log_.adopt(snapshot);
  // What was intercepted lives on when nothing is intercepted any more.
  intercepts_ =
      snapshot.listeners->intercepts() || leads_from_client(snapshot) || (intercepts_ && stack_.connections() > 0);
  for (const auto& listener : snapshot.listeners->by_id()) {
    if (listener == nullptr) continue;
    const auto id = static_cast<uint16_t>(listener->id);
    stack_.listen_as(id, kBacklog);
    relay_.configure(id, listener->relay);
    http_.configure(id, listener->relay, listener->http ? &listener->http_settings : nullptr);
  }
  http_.adopt(snapshot.http_routes);
  if (before != nullptr) retire(*before);
}

/// Listeners that are gone take no more connections; those that are open go on.
void TcpStage::retire(const ListenerSet& before) {
  std::vector<std::shared_ptr<const Listener>> gone;
  if (stack_.connections() > 0) gone = retired_.by_id();
  for (const auto& listener : before.by_id()) {
    if (listener == nullptr || snapshot_->listeners->at(listener->id) != nullptr) continue;
    stack_.unlisten(static_cast<uint16_t>(listener->id));
    gone.push_back(listener);
  }
  retired_ = ListenerSet(std::move(gone));
}

void TcpStage::set_time(Nanoseconds now) {
  now_ = now;
  stack_.set_time(now);
  backends_.set_time(now);
  relay_.set_time(now);
  http_.set_time(now);
}

// What comes.

void TcpStage::take(Burst& burst) {
  const Asked asked = look_ahead(burst);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < burst.count; ++i) {
    Segment* frame = burst.frames[i];
    bool taken = false;
    if ((asked.ours >> i & 1) != 0) {
      taken = take_segment(frame, asked.hashes[i]);
    } else if ((asked.intercepted >> i & 1) != 0) {
      taken = take_intercepted(frame, asked.hashes[i]);
    } else if (wire::is_icmp_error(frame)) {
      taken = (intercepts_ || snapshot_->ours(wire::destination_of(frame))) && take_error(frame);
    }
    if (!taken) burst.frames[kept++] = frame;
  }
  burst.count = kept;
}

/// Begins to fetch the connections of a burst's frames.
TcpStage::Asked TcpStage::look_ahead(const Burst& burst) const {
  Asked asked;
  for (uint32_t i = 0; i < burst.count; ++i) {
    const Segment* frame = burst.frames[i];
    if (frame->protocol != wire::protocol::kTcp) continue;
    const bool ours = may_be_ours(frame);
    if (!ours && !intercepts_) continue;
    (ours ? asked.ours : asked.intercepted) |= uint64_t{1} << i;
    asked.hashes[i] = stack_.prefetch_index(frame);
  }
  for (uint64_t left = asked.ours | asked.intercepted; left != 0; left &= left - 1)
    stack_.prefetch_connection(asked.hashes[static_cast<size_t>(std::countr_zero(left))]);
  return asked;
}

bool TcpStage::may_be_ours(const Segment* frame) const {
  const wire::Address destination = wire::destination_of(frame);
  return snapshot_->ours(destination) || is_to_retired(frame);
}

bool TcpStage::take_segment(Segment* frame, uint64_t hash) {
  if ((frame->flags & kLaterFragment) != 0) return false;
  const auto port = static_cast<uint16_t>(frame->l4_ports);
  const Listener* listener = snapshot_->listeners->find(wire::destination_of(frame), port, frame->port);
  if (listener == nullptr && !is_to_retired(frame) && !SourcePorts::holds(port)) return false;
  if (hand_over(frame)) return true;
  if (is_spoofed(frame)) [[unlikely]] {
    if (listener == nullptr && !stack_.knows(wire::tuple_of(frame).reversed())) return false;
    flows_.drop_spoofed(frame);
    return true;
  }
  if ((frame->flags & kFirstFragment) != 0) {
    // A reset would end the connection that it belongs to.
    if (listener == nullptr && !stack_.knows(wire::tuple_of(frame).reversed())) return false;
    egress_.drop(frame, Reason::tcp_fragmented);
    return true;
  }
  if (take_input(frame, listener, hash)) return true;
  if (listener == nullptr) return false;
  gateway_.reject(frame, is_draining() ? Reason::draining : Reason::tcp_no_connection);
  return true;
}

/// A packet that passes through, between addresses that are not ours. What belongs to no connection that was
/// intercepted passes on, also when it would have been: it is of one that is older than the listener.
bool TcpStage::take_intercepted(Segment* frame, uint64_t hash) {
  if ((frame->flags & kLaterFragment) != 0) return false;
  const Tuple tuple = wire::tuple_of(frame);
  if (hand_over_intercepted(frame, tuple)) return true;
  const Listener* listener =
      snapshot_->listeners->find_intercepting(tuple.destination, tuple.destination_port, frame->port);
  // Of what passes between joined ports nothing else is bound to its port.
  if (is_spoofed(frame)) [[unlikely]] {
    if (listener == nullptr && !stack_.knows(tuple.reversed()) && !stack_.knows(tuple)) return false;
    flows_.drop_spoofed(frame);
    return true;
  }
  if ((frame->flags & kFirstFragment) != 0) {
    if (!stack_.knows(tuple.reversed())) return false;
    egress_.drop(frame, Reason::tcp_fragmented);
    return true;
  }
  if (take_input(frame, listener, hash)) return true;
  // We speak in the name of its sender: what it says of a connection that has ended must not reach the other side.
  if (!stack_.knows(tuple)) return false;
  gateway_.reject(frame, Reason::tcp_no_connection);
  return true;
}

/// What policies say of the connection that a frame to a listener would open. False: nothing for it, and it has ended.
bool TcpStage::may_open(Segment* frame) {
  const PolicyTable& policies = *snapshot_->policies;
  if (policies.empty()) return true;
  if ((read_tcp_header(frame).flags & (kTcpSyn | kTcpAck | kTcpRst)) != kTcpSyn) return true;
  const auto port = static_cast<uint16_t>(frame->l4_ports);
  const PolicyKey key{.source = wire::source_of(frame),
                      .destination = wire::destination_of(frame),
                      .protocol = frame->protocol,
                      .port = port,
                      .arrival = frame->port,
                      .vlan = frame->vlan};
  FlowStage::Judged judged{policies.judge(key), policies.duties(key)};
  // What TCP sends again opens nothing.
  const bool again = !judged.duties.limits.empty() && stack_.knows(wire::tuple_of(frame).reversed());
  if (again ? judged.judgement.passes() : flows_.admits(judged, frame, now_)) return true;
  flows_.refuse(frame, judged.judgement, judged.duties);
  return false;
}

/// True: it has ended.
bool TcpStage::take_input(Segment* frame, const Listener* listener, uint64_t hash) {
  const uint32_t packets = wire_segments(frame);
  const uint32_t bytes = frame->frame_length;
  const bool listens = listener != nullptr && !is_draining();
  if (listens && !may_open(frame)) return true;
  Segment* const copy = is_captured(frame) ? detach_copy(frame) : nullptr;
  const tcp::Fate fate =
      stack_.input(frame, listens ? static_cast<uint16_t>(listener->id) : tcp::Stack::kNoListener, hash);
  if (copy != nullptr && fate == tcp::Fate::taken) egress_.end_copy(copy, Reason::tcp_terminated);
  if (copy != nullptr && fate != tcp::Fate::taken) attach_copy(frame, copy);
  switch (fate) {
    case tcp::Fate::taken:
      counters_.reasons[static_cast<size_t>(Reason::tcp_terminated)].add(packets, bytes);
      return true;
    case tcp::Fate::bad_checksum:
      egress_.drop(frame, Reason::tcp_checksum_bad);
      return true;
    case tcp::Fate::bad_options:
      egress_.drop(frame, Reason::tcp_options_invalid);
      return true;
    case tcp::Fate::table_full:
      egress_.drop(frame, Reason::tcp_table_full);
      return true;
    case tcp::Fate::unclaimed:
      break;
  }
  return false;
}

/// All packets of a connection meet on one lane: where its tuple's hash leads.
bool TcpStage::hand_over(Segment* frame) {
  if (shared_.lanes() == 1 || (frame->flags & kHandedOver) != 0) return false;
  return flows_.hand_over(frame, shared_.home(flow_hash(wire::tuple_of(frame), shared_.key)));
}

/// To the lane that has it, a connection or a flow; if none has, to where its tuple's hash leads.
bool TcpStage::hand_over_intercepted(Segment* frame, const Tuple& tuple) {
  if (shared_.lanes() == 1 || (frame->flags & kHandedOver) != 0) return false;
  const uint64_t hash = flow_hash(tuple, shared_.key);
  const unsigned owner = shared_.directory.find(hash);
  return flows_.hand_over(frame, owner != OwnerDirectory::kNone ? owner : shared_.home(hash));
}

bool TcpStage::take_error(Segment* frame) {
  Tuple sent;
  wire::EmbeddedView view;
  Reason why;
  if (!wire::embedded_tuple(frame, sent, view, why) || sent.protocol != wire::protocol::kTcp) return false;
  if (is_spoofed(frame)) [[unlikely]] {
    if (!stack_.knows(sent)) return false;
    flows_.drop_spoofed(frame);
    return true;
  }
  const uint8_t* icmp = frame->data + frame->l4_offset;
  const tcp::Sequence sequence = wire::load32(frame->data + view.l4_offset + wire::TcpView::kSequence);
  const bool v4 = frame->family == 4;
  constexpr uint8_t kFragmentationNeeded = 4;
  const bool too_big = v4 ? icmp[0] == wire::icmp4::kUnreachable && icmp[1] == kFragmentationNeeded
                          : icmp[0] == wire::icmp6::kPacketTooBig;
  const bool unreachable = !too_big && icmp[0] == (v4 ? wire::icmp4::kUnreachable : wire::icmp6::kUnreachable);
  const bool known = too_big
                         ? stack_.packet_too_big(sent, sequence, v4 ? wire::load16(icmp + 6) : wire::load32(icmp + 4))
                         : unreachable && stack_.unreachable(sent, sequence);
  if (known) egress_.drop(frame, Reason::tcp_terminated);
  return known;
}

void TcpStage::arrived(const Segment* frame, tcp::Connection& c) {
  const Way way = Way::of(c);
  const auto arrival = static_cast<uint16_t>(frame->port + 1);
  if (way.arrival != arrival || way.is_by_link()) [[unlikely]] {
    const Port* port = snapshot_->port(frame->port);
    if (c.state == tcp::State::closed && port != nullptr) c.path_mtu = port->info().mtu;
    // Of one that a cookie has kept, the handshake is over before its first frame is shown here.
    if (way.arrival == 0 && (c.state == tcp::State::closed || c.has(tcp::kPassive))) meet_client(frame, c);
    if (answers_by_link(frame, c)) {
      keep_link(frame, c);
    } else {
      Way{.arrival = arrival}.keep_in(c);
    }
  }
  c.path[2] += wire_segments(frame);
  count_service(frame, c);
}

/// The first frame of a client's connection.
void TcpStage::meet_client(const Segment* frame, tcp::Connection& c) {
  c.path[1] |= RelayBackends::came_by(frame->port, frame->vlan);
  if (!snapshot_->ours(c.tuple.source)) c.path[1] |= backends_.list(c.tuple);
}

/// Whether a connection's frames go back the way that the other side's came: through joined ports, and to the client of
/// one that was intercepted. There need be no route.
bool TcpStage::answers_by_link(const Segment* frame, const tcp::Connection& c) const {
  if (snapshot_->peer(frame->port) != kNoPort || Way::of(c).is_by_link()) return true;
  const bool of_client = c.state == tcp::State::closed || c.has(tcp::kPassive);
  return of_client && !snapshot_->ours(c.tuple.source) && !is_host_side(frame->port);
}

void TcpStage::keep_link(const Segment* frame, tcp::Connection& c) {
  const Way way = Way::of(c);
  LinkWay link = LinkWay::taken_by(frame).back();
  if (way.is_by_link()) link.hops = links_.at(way.number).hops;
  if (way.is_by_link() && link == links_.at(way.number)) return;
  const std::optional<LinkWays::Id> id = links_.hold(link);
  if (!id) return;
  if (way.is_by_link()) links_.let_go(way.number);
  Way kept = Way::by_link(*id);
  kept.arrival = static_cast<uint16_t>(frame->port + 1);
  kept.keep_in(c);
}

// What becomes of it.

void TcpStage::finish() {
  stack_.advance();
  relay_.advance();
  http_.advance();
  if (is_draining()) http_.drain_some();
  for (bool again = true; again;) {
    again = false;
    while (tcp::Connection* c = stack_.take_ready()) {
      if (c->attached != nullptr) streams_.take_in(*c);
      dispatch(*c);
      again = true;
    }
    streams_.flush();
    stack_.flush();
    again |= tell_losses();
  }
}

void TcpStage::sweep() {
  sweep_.go_on(std::max(relay_.index_limit(), http_.index_limit()), [this](uint32_t index) {
    const bool relayed = relay_.reset_if_denied(index);
    return http_.end_if_denied(index) || relayed;
  });
}

void TcpStage::dispatch(tcp::Connection& c) {
  const auto* owner = static_cast<const ConnectionOwner*>(c.owner);
  if (owner == nullptr ? !http_.serves(c.listener) : owner->kind == ConnectionOwner::Kind::tcp_relay)
    return relay_.happen(c);
  if (owner == nullptr) return http_.take(c);
  http_.happen(c);
}

bool TcpStage::reset_some() {
  reset_next_ = relay_.reset_from(reset_next_);
  reset_next_http_ = http_.reset_from(reset_next_http_);
  return reset_next_ != 0 || reset_next_http_ != 0;
}

// What goes.

void TcpStage::transmit(Segment* frame, tcp::Connection& c) {
  Way way = Way::of(c);
  if (way.arrival != 0) frame->port = static_cast<uint16_t>(way.arrival - 1);
  if (way.is_by_link()) [[unlikely]] {
    c.path[2] += wire_segments(frame);
    count_service(frame, c);
    return transmit_by_link(frame, links_.at(way.number));
  }
  Reason why;
  if (way.exit == 0 || way.number != gateway_.epoch()) [[unlikely]] {
    const uint16_t exit = find_exit(frame, c, why);
    if (exit == Gateway::kNoExit) return lose(frame, c, why);
    way.number = gateway_.epoch();
    way.exit = static_cast<uint16_t>(exit + 1);
    way.keep_in(c);
  }
  c.path[2] += wire_segments(frame);
  count_service(frame, c);
  if (!gateway_.send_by(frame, static_cast<uint16_t>(way.exit - 1), Reason::originated, why)) lose(frame, c, why);
}

void TcpStage::transmit_by_link(Segment* frame, const LinkWay& link) {
  LinkWays::address(frame, link);
  egress_.send(frame, link.port, Reason::originated);
}

/// What the node's own stack has opened goes back to it the way that it came from.
uint16_t TcpStage::find_exit(const Segment* frame, const tcp::Connection& c, Reason& why) {
  if (!c.has(tcp::kPassive) || !is_host_side(frame->port)) return gateway_.resolve(frame, why);
  why = Reason::port_down;
  return gateway_.exit_to_node(frame->port);
}

void TcpStage::lose(Segment* frame, const tcp::Connection& c, Reason why) {
  const bool too_big = why == Reason::packet_too_big;
  if (too_big || why == Reason::no_route) {
    const uint16_t mtu = too_big ? snapshot_->port(frame->exit)->info().mtu : uint16_t{0};
    losses_.push_back({c.tuple, wire::load32(frame->data + frame->l4_offset + wire::TcpView::kSequence), mtu});
  }
  egress_.drop(frame, why);
}

bool TcpStage::tell_losses() {
  if (losses_.empty()) return false;
  for (const Loss& loss : std::exchange(losses_, {})) {
    if (loss.mtu != 0) {
      stack_.packet_too_big(loss.sent, loss.sequence, loss.mtu);
    } else {
      stack_.unreachable(loss.sent, loss.sequence);
    }
  }
  return true;
}

bool TcpStage::record(uint32_t index, FlowRecord& to) const {
  const bool http = index % 2 == 1;
  if (http ? !http_.record(index / 2, to) : !relay_.record(index / 2, to)) return false;
  const uint64_t* path = http ? http_.client_path(index / 2) : relay_.client_path(index / 2);
  const RelayClient& client = http ? http_.client(index / 2) : relay_.client(index / 2);
  to.ingress = backends_.port_of(client);
  if (const uint16_t vlan = RelayBackends::vlan_of(client.mark); vlan != 0) to.original.zone = kLinkZone | vlan;
  to.packets[kOriginal] = path[2];
  return true;
}

void TcpStage::report(FlowEventKind kind, uint32_t index) {
  const bool heard = shared_.want_events.load(std::memory_order_relaxed);
  const bool has_duties = kind == FlowEventKind::opened && snapshot_->policies->has_duties();
  FlowRecord about;
  if ((!heard && !has_duties) || !record(index, about)) return;
  if (heard) flows_.events().push({kind, about});
  if (has_duties) flows_.relayed(about);
}

void TcpStage::forgotten(tcp::Connection& c) {
  if (!c.has(tcp::kPassive) && (c.path[1] & RelayBackends::kClaimed) != 0) backends_.unclaim(c.tuple);
  if ((c.path[1] & RelayBackends::kListed) != 0) backends_.unlist(c.tuple);
  c.path[1] &= ~RelayBackends::kListed;
  const Way way = Way::of(c);
  if (!way.is_by_link()) return;
  links_.let_go(way.number);
  Way{.arrival = way.arrival}.keep_in(c);
}

void TcpStage::count_service(const Segment* frame, const tcp::Connection& c) {
  if (const auto service = RelayBackends::service_of(c.path[1]))
    counters_.services[*service].carried.add(wire_segments(frame), frame->frame_length);
}

}  // namespace flatproxy
