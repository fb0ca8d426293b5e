#include "exchange/tcp_relay.h"

#include <algorithm>
#include <new>

namespace flatproxy {
namespace {

constexpr int kChoices = 3;  // of an endpoint, before a client is told that all have their share

}  // namespace

TcpRelay::TcpRelay(tcp::Stack& stack, RelayPolicy& policy, uint32_t capacity, const HashKey& key)
    : stack_(stack),
      policy_(policy),
      capacity_(capacity),
      memory_(size_t{capacity} * sizeof(Pair)),
      pairs_(reinterpret_cast<Pair*>(memory_.data())),
      wheel_(Nodes{pairs_}),
      of_client_(KeyedAddressHash{key}),
      of_endpoint_({}) {}

void TcpRelay::configure(uint16_t listener, const RelaySettings& settings) {
  if (settings_.size() <= listener) {
    settings_.resize(listener + 1u);
    of_listener_.resize(listener + 1u);
  }
  settings_[listener] = settings;
}

void TcpRelay::set_time(Nanoseconds now) {
  if (now_ == 0) wheel_.start(now);
  now_ = now;
}

void TcpRelay::happen(tcp::Connection& c) {
  const uint8_t events = std::exchange(c.events, uint8_t{0});
  if (c.owner == nullptr) return take(c);
  Pair& pair = *static_cast<Pair*>(c.owner);
  const Side side = pair.sides[kClient] == &c ? kClient : kServer;
  if ((events & tcp::kEnded) != 0) return ended(pair, side);
  if ((events & tcp::kOpened) != 0 && side == kServer) opened(pair);
  if (pair.stage == Stage::header) return read_header(pair);
  pump(pair);
}

// A listener's new connection.
void TcpRelay::take(tcp::Connection& c) {
  counters_.taken.add(1);
  if (c.state == tcp::State::closed) return stack_.close(c);
  if (!within_limits(c)) {
    counters_.over_limit.add(1);
    return stack_.abort(c);
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
  pair.peer = c.tuple.destination;
  pair.client.listener = c.listener;
  pair.client.ends = {false, c.tuple.destination, c.tuple.source, c.tuple.destination_port, c.tuple.source_port};
  c.owner = &pair;
  c.set(tcp::kNoDelay);
  ++of_listener_[c.listener];
  counters_.active.set(counters_.active.read() + 1);
  const RelaySettings& settings = settings_of(pair);
  wheel_.set(index, now_ + settings.connect_timeout);
  if (!settings.expects_proxy_header) return connect(pair);
  if (policy_.trusts(c.listener, c.tuple.destination)) return read_header(pair);
  counters_.bad_proxy_header.add(1);
  abort(pair);
}

bool TcpRelay::within_limits(const tcp::Connection& c) {
  const RelaySettings& settings = settings_[c.listener];
  if (free_.empty() && fresh_ == capacity_) return false;
  if (settings.max_connections != 0 && of_listener_[c.listener] >= settings.max_connections) return false;
  return of_client_.take(c.tuple.destination, settings.max_per_client);
}

void TcpRelay::read_header(Pair& pair) {
  tcp::Connection& c = *pair.sides[kClient];
  uint8_t bytes[wire::kProxyV2MaxSize];
  const uint32_t n = c.received.peek(bytes, sizeof(bytes));
  wire::ProxyHeader header;
  uint32_t size = 0;
  switch (wire::parse_proxy_header({bytes, n}, header, size)) {
    case wire::ProxyParse::incomplete:
      if (!c.peer_closed()) return;
      [[fallthrough]];
    case wire::ProxyParse::invalid:
      counters_.bad_proxy_header.add(1);
      return abort(pair);
    case wire::ProxyParse::complete:
      break;
  }
  c.received.drop_front(size);
  stack_.taken(c);
  if (!header.local) pair.client.ends = header;
  connect(pair);
}

// An endpoint that has its share is asked for no more.
std::optional<RelayTarget> TcpRelay::choose(Pair& pair) {
  const uint32_t most = settings_of(pair).max_per_endpoint;
  for (int i = 0; i < kChoices; ++i) {
    const std::optional<RelayTarget> target = policy_.choose(pair.client);
    if (!target) {
      counters_.no_endpoint.add(1);
      return std::nullopt;
    }
    if (of_endpoint_.take(target->endpoint, most)) return target;
    policy_.give_back(*target);
  }
  counters_.over_limit.add(1);
  return std::nullopt;
}

void TcpRelay::connect(Pair& pair) {
  pair.stage = Stage::connecting;
  const std::optional<RelayTarget> target = choose(pair);
  if (!target) return abort(pair);
  pair.target = *target;
  pair.has_target = true;
  tcp::Connection* c = stack_.connect(target->tuple, &pair);
  if (c == nullptr) {
    counters_.over_limit.add(1);
    return abort(pair);
  }
  c->set(tcp::kNoDelay);
  pair.sides[kServer] = c;
  wheel_.set(pair.index, now_ + settings_of(pair).connect_timeout);
}

void TcpRelay::opened(Pair& pair) {
  policy_.endpoint_answered(pair.target.endpoint, true);
  counters_.relayed.add(1);
  pair.stage = Stage::open;
  pair.active_at = static_cast<uint32_t>(now_ / tcp::kMillisecond);
  wheel_.set(pair.index, now_ + settings_of(pair).idle_timeout);
  if (settings_of(pair).sends_proxy_header == 0) return;
  uint8_t header[wire::kProxyV1MaxSize];
  const bool first = settings_of(pair).sends_proxy_header == 1;
  const uint32_t size =
      first ? wire::emit_proxy_v1(pair.client.ends, header) : wire::emit_proxy_v2(pair.client.ends, header);
  if (stack_.send(*pair.sides[kServer], header, size) < size) abort(pair);
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
  const uint32_t bytes = from.received.bytes();
  if (bytes > 0 && stack_.may_send(to)) {
    (side == kClient ? counters_.bytes_up : counters_.bytes_down).add(bytes);
    stack_.send(to, std::move(from.received));
    stack_.taken(from);
  }
  const bool no_more = from.peer_closed() || from.state == tcp::State::closed;
  if (no_more && from.received.empty()) stack_.shut_down(to);
  return bytes > 0 && from.received.empty();
}

// A side that has sent all, got all and been told so is the stack's to end.
void TcpRelay::let_go_if_done(Pair& pair, Side side) {
  tcp::Connection* c = pair.sides[side];
  if (c == nullptr || !c->received.empty()) return;
  const bool done = c->state == tcp::State::closed || (c->peer_closed() && c->has(tcp::kFinQueued));
  if (!done) return;
  pair.sides[side] = nullptr;
  stack_.close(*c);
  if (pair.sides[1 - side] == nullptr) release(pair);
}

void TcpRelay::ended(Pair& pair, Side side) {
  const tcp::End why = pair.sides[side]->end;
  if (pair.stage == Stage::connecting && side == kServer) {
    policy_.endpoint_answered(pair.target.endpoint, false);
    counters_.connect_failed.add(1);
    return abort(pair);
  }
  if (why != tcp::End::closed) {
    if (why == tcp::End::reset) counters_.resets.add(1);
    return abort(pair);
  }
  if (pair.stage != Stage::open) return abort(pair);
  pump(pair);
}

void TcpRelay::abort(Pair& pair) {
  for (tcp::Connection*& c : pair.sides) {
    if (c != nullptr) stack_.abort(*std::exchange(c, nullptr));
  }
  release(pair);
}

void TcpRelay::release(Pair& pair) {
  wheel_.clear(pair.index);
  give_target_back(pair);
  of_client_.give_back(pair.peer);
  --of_listener_[pair.client.listener];
  counters_.active.set(counters_.active.read() - 1);
  free_.push_back(pair.index);
}

void TcpRelay::give_target_back(Pair& pair) {
  if (!pair.has_target) return;
  pair.has_target = false;
  of_endpoint_.give_back(pair.target.endpoint);
  policy_.give_back(pair.target);
}

void TcpRelay::advance() {
  wheel_.advance(now_, [this](uint32_t index) { fire(pairs_[index]); });
}

// A timer that activity has moved fires early, and is set again.
void TcpRelay::fire(Pair& pair) {
  switch (pair.stage) {
    case Stage::header:
      counters_.bad_proxy_header.add(1);
      return abort(pair);
    case Stage::connecting:
      policy_.endpoint_answered(pair.target.endpoint, false);
      counters_.connect_failed.add(1);
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
  counters_.idle.add(1);
  abort(pair);
}

}  // namespace flatproxy
