#include "exchange/http_relay.h"

#include <algorithm>
#include <utility>

#include "exchange/relay_connection.h"
#include "wire/protocol.h"

namespace flatproxy {
namespace {

constexpr Nanoseconds kLinger = 5 * tcp::kSecond;  // for a client that has its last response to close, too
constexpr uint32_t kStuck = 1000;                  // milliseconds in which a client takes in something, in need

}  // namespace

HttpRelay::HttpRelay(tls::Streams& streams, Buffers& buffers, HttpPolicy& policy, RelayLimits& limits,
                     uint32_t capacity, const HttpTelemetry& telemetry)
    : streams_(streams),
      buffers_(buffers),
      policy_(policy),
      limits_(limits),
      telemetry_(telemetry),
      sessions_(capacity),
      exchanges_(capacity),
      pools_(streams, capacity),
      wheel_(Nodes{sessions_.items()}, tcp::kTimerSlack) {}

HttpRelay::~HttpRelay() {
  for (uint32_t i = 0; i < sessions_.limit(); ++i) {
    if (sessions_.holds(i) && sessions_[i].exchange != HttpSession::kNone)
      exchanges_[sessions_[i].exchange].head.clear();
  }
}

void HttpRelay::configure(uint16_t listener, const RelaySettings& relay, const HttpSettings* settings) {
  if (listeners_.size() <= listener) listeners_.resize(listener + 1u);
  ListenerState& state = listeners_[listener];
  state.serves = settings != nullptr;
  state.relay = relay;
  if (state.serves) state.http = *settings;
}

void HttpRelay::set_time(Nanoseconds now) {
  if (now_ == 0) wheel_.start(now);
  now_ = now;
  pools_.set_time(now);
}

// Clients' connections.

void HttpRelay::take(tcp::Connection& c) {
  RelayCounters& counters = telemetry_.listeners[c.listener];
  c.events = 0;
  counters.taken.add(1);
  if (c.state == tcp::State::closed) return streams_.close(c);
  // Policies may be others than when its handshake began.
  const RelayClient client = client_of(c);
  if (judge(client, c) != Reason::forwarded) {
    counters.denied.add(1);
    policy_.refused(client, client.peer, c.tuple.source, c.tuple.source_port);
    return streams_.abort(c);
  }
  if (!take_share(c)) {
    counters.over_limit.add(1);
    return streams_.abort(c);
  }
  HttpSession& s = *sessions_.make();
  s.connection = &c;
  s.client = client;
  s.opened_at = s.active_at = now_ms();
  c.owner = static_cast<ConnectionOwner*>(&s);
  prepare(c);
  counters.active.add(1);
  policy_.tell_client(FlowEventKind::opened, s.index);
  arm(s);
  if (!settings_of(s).relay.expects_proxy_header) return begin_session(s);
  if (policy_.trusts(c.listener, c.tuple.destination)) return read_proxy_header(s);
  counters.bad_proxy_header.add(1);
  end_session(s, true);
}

bool HttpRelay::take_share(const tcp::Connection& c) {
  const RelaySettings& settings = listeners_[c.listener].relay;
  if (sessions_.full()) return false;
  if (!limits_.take_listener(c.listener, settings.max_connections)) return false;
  if (limits_.take_client(c.tuple.destination, settings.max_per_client)) return true;
  limits_.give_listener_back(c.listener);
  return false;
}

void HttpRelay::happen(tcp::Connection& c) {
  const uint8_t events = std::exchange(c.events, uint8_t{0});
  auto& owner = *static_cast<ConnectionOwner*>(c.owner);
  if (owner.kind == ConnectionOwner::Kind::http_endpoint) return link_happened(static_cast<Link&>(owner), events);
  client_happened(static_cast<HttpSession&>(owner), events);
}

void HttpRelay::client_happened(HttpSession& s, uint8_t events) {
  if ((events & tcp::kEnded) != 0) return client_ended(s);
  switch (s.stage) {
    case HttpSession::Stage::proxy_header:
      return read_proxy_header(s);
    case HttpSession::Stage::securing:
      return secured(s);
    case HttpSession::Stage::request:
      return read_requests(s);
    case HttpSession::Stage::exchange: {
      Exchange& e = exchanges_[s.exchange];
      const uint32_t index = s.index;
      move_request(e);
      // It may have ended for what has come.
      if (sessions_[index].exchange == e.index && e.stage >= Exchange::Stage::answering) move_response(e);
      return;
    }
    case HttpSession::Stage::lingering:
      incoming(*s.connection).clear();
      streams_.taken(*s.connection);
      if (has_closed(*s.connection)) end_session(s, false);
      return;
  }
}

void HttpRelay::read_proxy_header(HttpSession& s) {
  switch (take_proxy_header(streams_, *s.connection, s.client.ends)) {
    case wire::ProxyParse::incomplete:
      return;
    case wire::ProxyParse::invalid:
      counters_of(s).bad_proxy_header.add(1);
      return end_session(s, true);
    case wire::ProxyParse::complete:
      return begin_session(s);
  }
}

/// What comes next is TLS, or a request.
void HttpRelay::begin_session(HttpSession& s) {
  const RelaySettings& settings = settings_of(s).relay;
  if (settings.over_tls) {
    if (settings.tls == nullptr) return end_session(s, true);
    s.stage = HttpSession::Stage::securing;
    if (!streams_.secure(*s.connection, settings.tls)) end_session(s, true);
    return;
  }
  s.stage = HttpSession::Stage::request;
  read_requests(s);
}

void HttpRelay::secured(HttpSession& s) {
  if (!streams_.is_open(*s.connection)) return;
  s.stage = HttpSession::Stage::request;
  read_requests(s);
}

/// Nobody is there for a response any more.
void HttpRelay::client_ended(HttpSession& s) {
  if (s.connection->end == tcp::End::reset) counters_of(s).resets.add(1);
  if (s.exchange != HttpSession::kNone) return cut(exchanges_[s.exchange], Outcome::client_gone);
  end_session(s, false);
}

/// No more is sent. What the client still sends is dropped for a while: an answer to it would be a reset, which might
/// overtake what the client has not read yet.
void HttpRelay::linger(HttpSession& s) {
  s.stage = HttpSession::Stage::lingering;
  s.active_at = now_ms();
  s.acknowledged = s.connection->una;
  streams_.shut_down(*s.connection);
  arm(s);
  incoming(*s.connection).clear();
  streams_.taken(*s.connection);
  if (has_closed(*s.connection) || s.connection->state == tcp::State::closed) end_session(s, false);
}

void HttpRelay::end_session(HttpSession& s, bool reset) {
  policy_.tell_client(FlowEventKind::closed, s.index);
  if (reset) {
    streams_.abort(*s.connection);
  } else {
    streams_.close(*s.connection);
  }
  wheel_.clear(s.index);
  limits_.give_client_back(s.client.peer);
  limits_.give_listener_back(s.client.listener);
  Counter& active = counters_of(s).active;
  active.set(active.read() - 1);
  sessions_.destroy(s);
}

bool HttpRelay::record(uint32_t index, FlowRecord& to) const {
  if (!sessions_.holds(index)) return false;
  const HttpSession& s = sessions_[index];
  const wire::ProxyHeader& ends = s.client.ends;
  const auto family = static_cast<uint8_t>(ends.source.is_v4() ? 4 : 6);
  to = {};
  to.original = {ends.source, ends.destination, ends.source_port, ends.destination_port, wire::protocol::kTcp, family};
  to.opened_at = s.opened_at;
  to.last_seen = s.active_at;
  to.bytes[kOriginal] = s.bytes[0];
  to.bytes[kReply] = s.bytes[1];
  to.state = s.stage == HttpSession::Stage::lingering ? FlowState::tcp_fin_wait : FlowState::tcp_established;
  to.assured = true;
  to.terminated = true;
  to.reason = Reason::tcp_terminated;
  return true;
}

void HttpRelay::drain_some() {
  constexpr uint32_t kSlice = 256;
  if (draining_ && drain_next_ == 0) return;
  draining_ = true;
  const uint32_t end = std::min(sessions_.limit(), drain_next_ + kSlice);
  for (uint32_t i = drain_next_; i < end; ++i) {
    if (!sessions_.holds(i)) continue;
    HttpSession& s = sessions_[i];
    if (s.stage == HttpSession::Stage::request && incoming(*s.connection).empty()) linger(s);
  }
  drain_next_ = end == sessions_.limit() ? 0 : end;
}

uint32_t HttpRelay::reset_from(uint32_t index) {
  constexpr uint32_t kSlice = 256;
  const uint32_t end = std::min(sessions_.limit(), index + kSlice);
  for (; index < end; ++index) {
    if (!sessions_.holds(index)) continue;
    HttpSession& s = sessions_[index];
    if (s.exchange != HttpSession::kNone) {
      cut(exchanges_[s.exchange], Outcome::draining);
    } else {
      end_session(s, true);
    }
  }
  return end == sessions_.limit() ? 0 : end;
}

bool HttpRelay::end_if_denied(uint32_t index) {
  if (!sessions_.holds(index)) return false;
  HttpSession& s = sessions_[index];
  Exchange* e = s.exchange != HttpSession::kNone ? &exchanges_[s.exchange] : nullptr;
  if (const Reason why = judge(s.client, *s.connection); why != Reason::forwarded) {
    counters_of(s).denied.add(1);
    if (e != nullptr) {
      cut(*e, http::outcome_of(why));
    } else {
      end_session(s, true);
    }
    return true;
  }
  // One that is tried again has its endpoint still to be chosen.
  if (e == nullptr || e->stage == Exchange::Stage::backing_off) return false;
  const Reason why = judge(*e, e->endpoint_address, e->endpoint_port);
  if (why == Reason::forwarded) return false;
  fail(*e, 403, http::outcome_of(why));
  return true;
}

// Time.

void HttpRelay::advance() {
  wheel_.advance(now_, [this](uint32_t index) { fire(sessions_[index]); });
  pools_.advance([this](Link& link) {
    if (!link.open) return link_failed(link);
    if (!pools_.may_rest_on(link)) close_link(link, upstream::Pools::How::fin);
  });
  if (is_scarce()) shed_some();
}

/// As the TCP sees it when it is pressed: soon it would take in nothing from anybody.
bool HttpRelay::is_scarce() const {
  const auto is_low = [](const SegmentPool& pool) { return pool.in_use() > pool.segments() / 4 * 3; };
  return is_low(buffers_.small) || is_low(buffers_.large);
}

/// Clients that take in nothing of what is there for them hold what all others need: they are reset, as many as it
/// takes.
void HttpRelay::shed_some() {
  constexpr uint32_t kSlice = 64;
  for (uint32_t i = 0; i < kSlice && is_scarce(); ++i) {
    if (shed_next_ >= sessions_.limit()) shed_next_ = 0;
    const uint32_t index = shed_next_++;
    if (!sessions_.holds(index) || !is_stuck(sessions_[index])) continue;
    HttpSession& s = sessions_[index];
    if (s.exchange != HttpSession::kNone) {
      cut(exchanges_[s.exchange], Outcome::no_buffers);
    } else {
      counters_of(s).idle.add(1);
      end_session(s, true);
    }
  }
}

/// Whether a client has something to take in, and has taken in nothing since it was seen so first, long enough ago.
bool HttpRelay::is_stuck(HttpSession& s) const {
  const tcp::Connection& c = *s.connection;
  const bool waits = unacknowledged(c) > 0;
  if (waits && s.seen == c.una) return now_ms() - s.stuck_since >= kStuck;
  s.seen = waits ? c.una : c.una - 1;
  s.stuck_since = now_ms();
  return false;
}

Nanoseconds HttpRelay::deadline_of(const HttpSession& s) const {
  const Nanoseconds active = Nanoseconds{s.active_at} * tcp::kMillisecond;
  const ListenerState& settings = settings_of(s);
  switch (s.stage) {
    case HttpSession::Stage::proxy_header:
    case HttpSession::Stage::securing:
      return active + settings.relay.connect_timeout;
    case HttpSession::Stage::request:
      if (s.head_begun || s.requests == 0) return active + settings.http.header_timeout;
      if (unacknowledged(*s.connection) > 0) return active + settings.http.body_timeout;
      return active + settings.http.idle_timeout;
    case HttpSession::Stage::exchange:
      return exchange_deadline(s);
    case HttpSession::Stage::lingering:
      return active + (unacknowledged(*s.connection) > 0 ? settings.http.body_timeout : kLinger);
  }
  return kNever;
}

Nanoseconds HttpRelay::exchange_deadline(const HttpSession& s) const {
  const Exchange& e = exchanges_[s.exchange];
  const HttpSettings& http = settings_of(s).http;
  const Nanoseconds active = Nanoseconds{s.active_at} * tcp::kMillisecond;
  if (e.stage == Exchange::Stage::tunnel) return active + http.tunnel_timeout;
  if (e.stage == Exchange::Stage::backing_off) return std::min(e.retry_at, e.request_deadline);
  return std::min({active + http.body_timeout, e.request_deadline, e.try_deadline});
}

/// A timer that is set early fires for nothing, and is set again.
void HttpRelay::arm(HttpSession& s) {
  const Nanoseconds deadline = deadline_of(s);
  if (!wheel_.fires_by(s.index, deadline)) wheel_.set(s.index, deadline);
}

void HttpRelay::fire(HttpSession& s) {
  if (now_ < deadline_of(s)) return arm(s);
  switch (s.stage) {
    case HttpSession::Stage::proxy_header:
      counters_of(s).bad_proxy_header.add(1);
      return end_session(s, true);
    case HttpSession::Stage::securing:
      streams_.give_up(*s.connection);
      return end_session(s, true);
    case HttpSession::Stage::request:
      return fire_idle(s);
    case HttpSession::Stage::exchange:
      return fire_exchange(s, exchanges_[s.exchange]);
    case HttpSession::Stage::lingering:
      // Who has been sent all of it may still be reading: a reset would take it away.
      if (!reads_on(s)) end_session(s, unacknowledged(*s.connection) > 0);
  }
}

/// Whether a client has taken something in since its timer fired last: a slow reader has as long again.
bool HttpRelay::reads_on(HttpSession& s) {
  if (s.connection->una == s.acknowledged) return false;
  s.acknowledged = s.connection->una;
  s.active_at = now_ms();
  arm(s);
  return true;
}

/// Whether either side has taken in something of what is there for it, likewise.
bool HttpRelay::is_taken_in(HttpSession& s, Exchange& e) {
  if (e.stage == Exchange::Stage::answering && unacknowledged(*s.connection) > 0) return reads_on(s);
  const Link* link = link_of(e);
  if (link == nullptr || unacknowledged(*link->connection) == 0 || link->connection->una == e.acknowledged)
    return false;
  e.acknowledged = link->connection->una;
  s.active_at = now_ms();
  arm(s);
  return true;
}

/// Between requests.
void HttpRelay::fire_idle(HttpSession& s) {
  if (s.head_begun) return refuse_late(s);
  const bool unsent = unacknowledged(*s.connection) > 0;
  if (unsent && reads_on(s)) return;
  counters_of(s).idle.add(1);
  end_session(s, unsent);
}

void HttpRelay::fire_exchange(HttpSession& s, Exchange& e) {
  if (e.stage == Exchange::Stage::backing_off && now_ >= e.retry_at && now_ < e.request_deadline) {
    e.retry_at = kNever;
    dispatch(e);
    return;
  }
  Outcome why = Outcome::body_timeout;
  if (now_ >= e.request_deadline) {
    why = Outcome::request_timeout;
  } else if (now_ >= e.try_deadline) {
    why = Outcome::backend_timeout;
  }
  if (why == Outcome::body_timeout && is_taken_in(s, e)) return;
  if (e.stage == Exchange::Stage::tunnel) counters_of(s).idle.add(1);
  if (e.stage >= Exchange::Stage::answering) return cut(e, why);
  Link* link = link_of(e);
  if (link != nullptr) count_failure(link->target, pools_.pool_of(*link));
  const bool allowed = why == Outcome::backend_timeout && e.rule->retry && e.rule->retry->timeout;
  if (!try_again(e, allowed && is_harmless_again(e, link))) fail(e, 504, why);
}

}  // namespace flatproxy
