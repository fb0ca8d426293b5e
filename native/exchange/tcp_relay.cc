#include "exchange/tcp_relay.h"

#include <algorithm>
#include <new>
#include <utility>

#include "exchange/relay_connection.h"
#include "wire/protocol.h"

namespace flatproxy {
namespace {

constexpr int kChoices = 3;  // of an endpoint, before a client is told that all have their share

}  // namespace

TcpRelay::TcpRelay(tls::Streams& streams, RelayPolicy& policy, RelayLimits& limits, uint32_t capacity,
                   RelayCounters* counters)
    : streams_(streams),
      policy_(policy),
      limits_(limits),
      counters_(counters),
      capacity_(capacity),
      memory_(size_t{capacity} * sizeof(Pair)),
      pairs_(reinterpret_cast<Pair*>(memory_.data())),
      wheel_(Nodes{pairs_}, tcp::kTimerSlack) {}

void TcpRelay::configure(uint16_t listener, const RelaySettings& settings) {
  if (settings_.size() <= listener) settings_.resize(listener + 1u);
  settings_[listener] = settings;
}

void TcpRelay::set_time(Nanoseconds now) {
  if (now_ == 0) wheel_.start(now);
  now_ = now;
}

void TcpRelay::happen(tcp::Connection& c) {
  const uint8_t events = std::exchange(c.events, uint8_t{0});
  if (c.owner == nullptr) return take(c);
  Pair& pair = *static_cast<Pair*>(static_cast<ConnectionOwner*>(c.owner));
  const Side side = pair.sides[kClient] == &c ? kClient : kServer;
  if ((events & tcp::kEnded) != 0) return ended(pair, side);
  if ((events & tcp::kOpened) != 0 && side == kServer) opened(pair);
  if (pair.stage == Stage::header) return read_header(pair);
  if (pair.stage == Stage::securing && streams_.is_open(c)) return connect(pair);
  pump(pair);
}

// A listener's new connection.
void TcpRelay::take(tcp::Connection& c) {
  RelayCounters& counters = counters_[c.listener];
  counters.taken.add(1);
  if (c.state == tcp::State::closed) return streams_.close(c);
  // Policies may be others than when its handshake began.
  const RelayClient client = client_of(c);
  if (is_denied(client, c)) {
    counters.denied.add(1);
    policy_.refused(client, client.peer, c.tuple.source, c.tuple.source_port);
    return streams_.abort(c);
  }
  if (!take_share(c)) {
    counters.over_limit.add(1);
    return streams_.abort(c);
  }
  uint32_t index = fresh_;
  if (free_.empty()) {
    ++fresh_;
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Pair& pair = *new (&pairs_[index]) Pair();
  pair.index = index;
  pair.sides[kClient] = &c;
  pair.client = client;
  pair.opened_at = pair.active_at = static_cast<uint32_t>(now_ / tcp::kMillisecond);
  c.owner = static_cast<ConnectionOwner*>(&pair);
  prepare(c);
  counters.active.add(1);
  const RelaySettings& settings = settings_of(pair);
  wheel_.set(index, now_ + settings.connect_timeout);
  if (!settings.expects_proxy_header) return begin(pair);
  if (policy_.trusts(c.listener, c.tuple.destination)) return read_header(pair);
  counters.bad_proxy_header.add(1);
  abort(pair);
}

bool TcpRelay::take_share(const tcp::Connection& c) {
  const RelaySettings& settings = settings_[c.listener];
  if (free_.empty() && fresh_ == capacity_) return false;
  if (!limits_.take_listener(c.listener, settings.max_connections)) return false;
  if (limits_.take_client(c.tuple.destination, settings.max_per_client)) return true;
  limits_.give_listener_back(c.listener);
  return false;
}

/// A client's connection, by what TCP knows of its ends.
bool TcpRelay::is_denied(const RelayClient& client, const tcp::Connection& c) const {
  return policy_.judge(client, client.peer, c.tuple.source, c.tuple.source_port) != Reason::forwarded;
}

/// Its way on: whoever the client says that it speaks for, if it is believed, must be let in by the endpoint.
bool TcpRelay::is_denied(const Pair& pair, const RelayTarget& target) const {
  const Tuple& to = target.tuple;
  const wire::Address& source = pair.client.ends.source;
  return policy_.judge(pair.client, source, to.destination, to.destination_port) != Reason::forwarded;
}

void TcpRelay::read_header(Pair& pair) {
  switch (take_proxy_header(streams_, *pair.sides[kClient], pair.client.ends)) {
    case wire::ProxyParse::incomplete:
      return;
    case wire::ProxyParse::invalid:
      counters_of(pair).bad_proxy_header.add(1);
      return abort(pair);
    case wire::ProxyParse::complete:
      return begin(pair);
  }
}

/// Nobody is connected to for whoever does not complete a handshake.
void TcpRelay::begin(Pair& pair) {
  const RelaySettings& settings = settings_of(pair);
  if (!settings.over_tls) return connect(pair);
  if (settings.tls == nullptr) return abort(pair);
  pair.stage = Stage::securing;
  if (!streams_.secure(*pair.sides[kClient], settings.tls)) abort(pair);
}

// An endpoint that has its share is asked for no more; in place of one that policies deny there is no other.
std::optional<RelayTarget> TcpRelay::choose(Pair& pair) {
  for (int i = 0; i < kChoices; ++i) {
    const std::optional<RelayTarget> target = policy_.choose(pair.client);
    if (!target) {
      counters_of(pair).no_endpoint.add(1);
      return std::nullopt;
    }
    if (is_denied(pair, *target)) {
      counters_of(pair).denied.add(1);
      const RelayClient& client = pair.client;
      policy_.refused(client, client.ends.source, target->tuple.destination, target->tuple.destination_port);
      policy_.give_back(*target);
      return std::nullopt;
    }
    const bool counted = target->endpoint != RelayTarget::kNone;
    if (!counted || limits_.take_endpoint(target->endpoint, target->max_connections)) return target;
    policy_.give_back(*target);
  }
  counters_of(pair).over_limit.add(1);
  return std::nullopt;
}

void TcpRelay::connect(Pair& pair) {
  pair.stage = Stage::connecting;
  pair.client.path = pair.sides[kClient]->path[0];
  const std::optional<RelayTarget> target = choose(pair);
  if (!target) return abort(pair);
  pair.target = *target;
  pair.has_target = true;
  tcp::Connection* c =
      streams_.connect(target->tuple, {static_cast<ConnectionOwner*>(&pair), target->mtu, target->mark, target->path});
  if (c == nullptr) {
    counters_of(pair).over_limit.add(1);
    return abort(pair);
  }
  pair.target.opened = true;
  prepare(*c);
  pair.sides[kServer] = c;
  wheel_.set(pair.index, now_ + settings_of(pair).connect_timeout);
}

void TcpRelay::opened(Pair& pair) {
  policy_.endpoint_answered(pair.target, true);
  counters_of(pair).relayed.add(1);
  pair.stage = Stage::open;
  policy_.tell(FlowEventKind::opened, pair.index);
  pair.active_at = static_cast<uint32_t>(now_ / tcp::kMillisecond);
  wheel_.set(pair.index, now_ + settings_of(pair).idle_timeout);
  if (pair.target.proxy_header == 0) return;
  if (!send_proxy_header(streams_, *pair.sides[kServer], pair.client.ends, pair.target.proxy_header)) abort(pair);
}

// Moves what can be moved, both ways.
void TcpRelay::pump(Pair& pair) {
  if (pair.stage != Stage::open) return;
  if (pair.sides[kClient] != nullptr && pair.sides[kServer] != nullptr) {
    const bool moved_up = move(pair, kClient);
    const bool moved_down = move(pair, kServer);
    if (moved_up || moved_down) pair.active_at = static_cast<uint32_t>(now_ / tcp::kMillisecond);
  }
  let_go_if_done(pair, kClient);
  let_go_if_done(pair, kServer);
}

bool TcpRelay::move(Pair& pair, Side side) {
  tcp::Connection& from = *pair.sides[side];
  tcp::Connection& to = *pair.sides[1 - side];
  const uint32_t bytes = incoming(from).bytes();
  if (bytes > 0 && streams_.may_send(to)) {
    RelayCounters& counters = counters_of(pair);
    (side == kClient ? counters.bytes_up : counters.bytes_down).add(bytes);
    pair.bytes[side] += bytes;
    streams_.send(to, std::move(incoming(from)));
    streams_.taken(from);
  }
  const bool no_more = has_closed(from) || ended_in_order(from);
  if (no_more && incoming(from).empty()) streams_.shut_down(to);
  return bytes > 0 && incoming(from).empty();
}

// A side that has sent all, got all and been told so is the stack's to end.
void TcpRelay::let_go_if_done(Pair& pair, Side side) {
  tcp::Connection* c = pair.sides[side];
  if (c == nullptr || !incoming(*c).empty()) return;
  const bool done = ended_in_order(*c) || (has_closed(*c) && c->has(tcp::kFinQueued));
  if (!done) return;
  streams_.close(*leave(pair, side));
  if (pair.sides[1 - side] == nullptr) release(pair);
}

void TcpRelay::ended(Pair& pair, Side side) {
  const tcp::End why = pair.sides[side]->end;
  if (pair.stage == Stage::connecting && side == kServer) {
    policy_.endpoint_answered(pair.target, false);
    counters_of(pair).connect_failed.add(1);
    return abort(pair);
  }
  if (why != tcp::End::closed) {
    if (why == tcp::End::reset) counters_of(pair).resets.add(1);
    return abort(pair);
  }
  if (pair.stage != Stage::open) return abort(pair);
  pump(pair);
}

tcp::Connection* TcpRelay::leave(Pair& pair, Side side) {
  tcp::Connection* c = std::exchange(pair.sides[side], nullptr);
  if (side == kClient) std::copy_n(c->path, 3, pair.path);
  return c;
}

void TcpRelay::abort(Pair& pair) {
  for (const Side side : {kClient, kServer}) {
    if (pair.sides[side] != nullptr) streams_.abort(*leave(pair, side));
  }
  release(pair);
}

FlowState TcpRelay::state_of(const Pair& pair) {
  if (pair.stage != Stage::open) return FlowState::tcp_syn_sent;
  for (const tcp::Connection* c : pair.sides) {
    if (c == nullptr || has_closed(*c)) return FlowState::tcp_fin_wait;
  }
  return FlowState::tcp_established;
}

bool TcpRelay::record(uint32_t index, FlowRecord& to) const {
  const Pair& pair = pairs_[index];
  if (!pair.live) return false;
  const wire::ProxyHeader& ends = pair.client.ends;
  const auto family = static_cast<uint8_t>(ends.source.is_v4() ? 4 : 6);
  to = {};
  to.original = {ends.source, ends.destination, ends.source_port, ends.destination_port, wire::protocol::kTcp, family};
  if (pair.has_target) {
    to.translated = true;
    to.nat_address = pair.target.tuple.destination;
    to.nat_port = pair.target.tuple.destination_port;
    to.service = pair.target.service;
    to.endpoint = pair.target.endpoint;
  }
  to.opened_at = pair.opened_at;
  to.last_seen = pair.active_at;
  to.bytes[kOriginal] = pair.bytes[kClient];
  to.bytes[kReply] = pair.bytes[kServer];
  to.state = state_of(pair);
  to.assured = pair.stage == Stage::open;
  to.terminated = true;
  to.reason = Reason::tcp_terminated;
  return true;
}

uint32_t TcpRelay::reset_from(uint32_t index) {
  constexpr uint32_t kSlice = 256;
  const uint32_t end = std::min(fresh_, index + kSlice);
  for (; index < end; ++index) {
    if (pairs_[index].live) abort(pairs_[index]);
  }
  return end == fresh_ ? 0 : end;
}

bool TcpRelay::reset_if_denied(uint32_t index) {
  if (index >= fresh_ || !pairs_[index].live) return false;
  Pair& pair = pairs_[index];
  const tcp::Connection* client = pair.sides[kClient];
  const bool denied =
      (client != nullptr && is_denied(pair.client, *client)) || (pair.has_target && is_denied(pair, pair.target));
  if (!denied) return false;
  counters_of(pair).denied.add(1);
  abort(pair);
  return true;
}

void TcpRelay::release(Pair& pair) {
  if (pair.stage == Stage::open) policy_.tell(FlowEventKind::closed, pair.index);
  pair.live = false;
  wheel_.clear(pair.index);
  give_target_back(pair);
  limits_.give_client_back(pair.client.peer);
  limits_.give_listener_back(pair.client.listener);
  Counter& active = counters_of(pair).active;
  active.set(active.read() - 1);
  free_.push_back(pair.index);
}

void TcpRelay::give_target_back(Pair& pair) {
  if (!pair.has_target) return;
  pair.has_target = false;
  if (pair.target.endpoint != RelayTarget::kNone) limits_.give_endpoint_back(pair.target.endpoint);
  policy_.give_back(pair.target);
}

void TcpRelay::advance() {
  wheel_.advance(now_, [this](uint32_t index) { fire(pairs_[index]); });
}

// A timer that activity has moved fires early, and is set again.
void TcpRelay::fire(Pair& pair) {
  switch (pair.stage) {
    case Stage::header:
      counters_of(pair).bad_proxy_header.add(1);
      return abort(pair);
    case Stage::securing:
      streams_.give_up(*pair.sides[kClient]);
      return abort(pair);
    case Stage::connecting:
      policy_.endpoint_answered(pair.target, false);
      counters_of(pair).connect_failed.add(1);
      return abort(pair);
    case Stage::open:
      break;
  }
  const auto now_ms = static_cast<uint32_t>(now_ / tcp::kMillisecond);
  const Nanoseconds idle = Nanoseconds{now_ms - pair.active_at} * tcp::kMillisecond;
  const Nanoseconds most = settings_of(pair).idle_timeout;
  if (idle < most) {
    wheel_.set(pair.index, now_ + most - idle);
    return;
  }
  counters_of(pair).idle.add(1);
  abort(pair);
}

}  // namespace flatproxy
