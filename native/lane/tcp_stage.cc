#include "lane/tcp_stage.h"

#include <bit>
#include <utility>

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

/// How a connection's frames leave, as path[0] keeps it; zeros: not known yet.
struct Way {
  uint32_t epoch = 0;
  uint16_t exit = 0;     ///< the gateway's, plus one
  uint16_t arrival = 0;  ///< id of the port that the last frame came by, plus one
};
Way way_of(const tcp::Connection& c) { return std::bit_cast<Way>(c.path[0]); }
void keep(tcp::Connection& c, const Way& way) { c.path[0] = std::bit_cast<uint64_t>(way); }

}  // namespace

TcpStage::TcpStage(unsigned lane, LaneShared& shared, LaneCounters& counters, Egress& egress, Gateway& gateway,
                   FlowStage& flows, uint32_t capacity)
    : shared_(shared),
      counters_(counters),
      egress_(egress),
      gateway_(gateway),
      flows_(flows),
      stack_(settings(), capacity, shared.tcp_secrets, *shared.buffers[lane], *this),
      backends_(lane, shared, counters, flows.balance(), stack_,
                [this](FlowEventKind kind, uint32_t index) { report(kind, index); }),
      relay_(stack_, backends_, shared.relay_limits, capacity / 2, counters.listeners.data()) {}

void TcpStage::adopt(const Snapshot& snapshot) {
  const auto* before = snapshot_ != nullptr ? snapshot_->listeners.get() : nullptr;
  snapshot_ = &snapshot;
  backends_.adopt(snapshot);
  for (const auto& listener : snapshot.listeners->by_id()) {
    if (listener == nullptr) continue;
    const auto id = static_cast<uint16_t>(listener->id);
    stack_.listen_as(id, kBacklog);
    relay_.configure(id, listener->relay);
  }
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
  stack_.set_time(now);
  relay_.set_time(now);
}

// What comes.

void TcpStage::take(Burst& burst) {
  uint32_t kept = 0;
  for (Segment* frame : burst) {
    const bool segment = frame->protocol == wire::protocol::kTcp;
    const bool ours =
        segment ? may_be_ours(frame) && take_segment(frame)
                : wire::is_icmp_error(frame) && snapshot_->ours(wire::destination_of(frame)) && take_error(frame);
    if (!ours) burst.frames[kept++] = frame;
  }
  burst.count = kept;
}

bool TcpStage::may_be_ours(const Segment* frame) const {
  const wire::Address destination = wire::destination_of(frame);
  if (snapshot_->ours(destination)) return true;
  if (retired_.empty()) [[likely]]
    return false;
  return retired_.find(destination, static_cast<uint16_t>(frame->l4_ports), frame->port) != nullptr;
}

bool TcpStage::take_segment(Segment* frame) {
  if ((frame->flags & kLaterFragment) != 0) return false;
  const auto port = static_cast<uint16_t>(frame->l4_ports);
  const Listener* listener = snapshot_->listeners->find(wire::destination_of(frame), port, frame->port);
  const bool retired = !retired_.empty() && retired_.find(wire::destination_of(frame), port, frame->port) != nullptr;
  if (listener == nullptr && !retired && !SourcePorts::holds(port)) return false;
  if (hand_over(frame)) return true;
  if ((frame->flags & kFirstFragment) != 0) {
    // A reset would end the connection that it belongs to.
    if (listener == nullptr && !stack_.knows(wire::tuple_of(frame).reversed())) return false;
    egress_.drop(frame, Reason::tcp_fragmented);
    return true;
  }
  const bool refuses = shared_.refuse_new.load(std::memory_order_relaxed);
  const uint32_t packets = wire_segments(frame);
  const uint32_t bytes = frame->frame_length;
  const bool listens = listener != nullptr && !refuses;
  switch (stack_.input(frame, listens ? static_cast<uint16_t>(listener->id) : tcp::Stack::kNoListener)) {
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
  if (listener == nullptr) return false;
  gateway_.reject(frame, refuses ? Reason::draining : Reason::tcp_no_connection);
  return true;
}

/// All packets of a connection meet on one lane: where its tuple's hash leads.
bool TcpStage::hand_over(Segment* frame) {
  if (shared_.lanes() == 1 || (frame->flags & kHandedOver) != 0) return false;
  return flows_.hand_over(frame, shared_.home(flow_hash(wire::tuple_of(frame), shared_.key)));
}

bool TcpStage::take_error(Segment* frame) {
  Tuple sent;
  wire::EmbeddedView view;
  Reason why;
  if (!wire::embedded_tuple(frame, sent, view, why) || sent.protocol != wire::protocol::kTcp) return false;
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
  Way way = way_of(c);
  const auto arrival = static_cast<uint16_t>(frame->port + 1);
  if (way.arrival != arrival) [[unlikely]] {
    const Port* port = snapshot_->port(frame->port);
    if (c.state == tcp::State::closed && port != nullptr) c.path_mtu = port->info().mtu;
    keep(c, {.arrival = arrival});
  }
  c.path[2] += wire_segments(frame);
  count_service(frame, c);
}

// What becomes of it.

void TcpStage::finish() {
  stack_.advance();
  relay_.advance();
  for (bool again = true; again;) {
    again = false;
    while (tcp::Connection* c = stack_.take_ready()) {
      relay_.happen(*c);
      again = true;
    }
    stack_.flush();
    again |= tell_losses();
  }
}

// What goes.

void TcpStage::transmit(Segment* frame, tcp::Connection& c) {
  Way way = way_of(c);
  if (way.arrival != 0) frame->port = static_cast<uint16_t>(way.arrival - 1);
  Reason why;
  if (way.exit == 0 || way.epoch != gateway_.epoch()) [[unlikely]] {
    const uint16_t exit = find_exit(frame, c, why);
    if (exit == Gateway::kNoExit) return lose(frame, c, why);
    way.epoch = gateway_.epoch();
    way.exit = static_cast<uint16_t>(exit + 1);
    keep(c, way);
  }
  c.path[2] += wire_segments(frame);
  count_service(frame, c);
  if (!gateway_.send_by(frame, static_cast<uint16_t>(way.exit - 1), Reason::originated, why)) lose(frame, c, why);
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
  if (!relay_.record(index, to)) return false;
  const uint64_t* path = relay_.client_path(index);
  const Way way = std::bit_cast<Way>(path[0]);
  if (way.arrival != 0) to.ingress = static_cast<uint16_t>(way.arrival - 1);
  to.packets[kOriginal] = path[2];
  return true;
}

void TcpStage::report(FlowEventKind kind, uint32_t index) {
  FlowRecord about;
  if (shared_.want_events.load(std::memory_order_relaxed) && record(index, about)) flows_.events().push({kind, about});
}

void TcpStage::forgotten(tcp::Connection& c) {
  if (!c.has(tcp::kPassive) && (c.path[1] & RelayBackends::kClaimed) != 0) backends_.unclaim(c.tuple);
}

void TcpStage::count_service(const Segment* frame, const tcp::Connection& c) {
  if (const auto service = RelayBackends::service_of(c.path[1]))
    counters_.services[*service].carried.add(wire_segments(frame), frame->frame_length);
}

}  // namespace flatproxy
