#include "tcp/stack.h"

#include <algorithm>
#include <new>

#include "tcp/emit.h"
#include "tcp/end.h"
#include "tcp/handshake.h"
#include "tcp/input.h"
#include "tcp/output.h"
#include "tcp/path_mtu.h"
#include "tcp/receive.h"
#include "tcp/syn_cookie.h"
#include "tcp/timers.h"
#include "wire/tuple_of.h"

namespace flatproxy::tcp {

Stack::Stack(const Settings& settings, uint32_t capacity, const Secrets& secrets, Buffers& buffers,
             Transmitter& transmitter)
    : context_(settings, buffers, transmitter),
      secrets_(secrets),
      capacity_(capacity),
      memory_(size_t{capacity} * sizeof(Connection)),
      connections_(reinterpret_cast<Connection*>(memory_.data())),
      index_(capacity),
      wheel_(Nodes{connections_}, settings.timer_slack) {}

Stack::~Stack() {
  for (uint32_t i = 0; i < fresh_; ++i) connections_[i].~Connection();
}

void Stack::set_time(Nanoseconds now) {
  if (context_.now == 0) wheel_.start(now);
  context_.set_time(now);
}

uint16_t Stack::listen(uint32_t backlog, uint16_t mtu) {
  uint16_t id = 0;
  while (id < listeners_.size() && (listeners_[id].open || listeners_[id].half_open > 0)) ++id;
  if (id == listeners_.size()) listeners_.emplace_back();
  listeners_[id].backlog = backlog;
  listeners_[id].mtu = mtu;
  listeners_[id].open = true;
  return id;
}

void Stack::listen_as(uint16_t listener, uint32_t backlog) {
  if (listener >= listeners_.size()) listeners_.resize(listener + 1u);
  listeners_[listener].backlog = backlog;
  listeners_[listener].open = true;
}

void Stack::unlisten(uint16_t listener) {
  if (listener >= listeners_.size()) return;
  listeners_[listener].open = false;
  if (listeners_[listener].half_open == 0) return;
  for (uint32_t i = 0; i < fresh_; ++i) {
    Connection& c = connections_[i];
    if (c.has(kHalfOpen) && c.listener == listener) abort(c);
  }
}

// The table.

Connection* Stack::find(const Tuple& tuple, uint64_t hash) const {
  const uint32_t found = index_.find(hash, [&](uint32_t id) { return connections_[id].tuple == tuple; });
  return found == kNoFlow ? nullptr : &connections_[found];
}

Connection* Stack::allocate(const Tuple& tuple) {
  if (free_.empty() && fresh_ == capacity_ && !make_room()) return nullptr;
  uint32_t id = fresh_;
  if (free_.empty()) {
    new (&connections_[fresh_++]) Connection();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  if (!index_.insert(flow_hash(tuple, secrets_.table), id)) {
    free_.push_back(id);
    return nullptr;
  }
  ++used_;
  Connection& c = connections_[id];
  c.index = id;
  c.tuple = tuple;
  return &c;
}

void Stack::unlist(Connection& c) {
  if (c.has(kUnlisted)) return;
  c.set(kUnlisted);
  waiting_.remove(c);
  wheel_.clear(c.index);
  index_.remove(flow_hash(c.tuple, secrets_.table), c.index);
  context_.transmitter.forgotten(c);
}

// Takes a connection out of the table and makes its place anew.
void Stack::forget(Connection& c) {
  unlist(c);
  const uint32_t id = c.index;
  c.~Connection();
  new (&c) Connection();
  free_.push_back(id);
  --used_;
}

// A table that is full gives up its oldest TIME-WAIT.
bool Stack::make_room() {
  Connection* c = waiting_.oldest();
  while (c != nullptr && (c->dirty || c->ready)) c = c->next_waiting;
  if (c == nullptr) return false;
  forget(*c);
  return true;
}

// Frames.

namespace {

Fate fate_of(Arrival::Fault fault) {
  return fault == Arrival::Fault::checksum ? Fate::bad_checksum : Fate::bad_options;
}

/// What a listener makes of a segment of no connection, and without a cookie.
Fate first_fate(const Arrival& arrival) {
  const bool opens = arrival.has(wire::kSyn) && !arrival.has(wire::kAck) && !arrival.has(wire::kRst);
  return opens ? Fate::taken : Fate::unclaimed;
}

}  // namespace

Fate first_fate(const Segment* frame) {
  Arrival arrival;
  const Arrival::Fault fault = arrival.read(frame);
  return fault == Arrival::Fault::none ? first_fate(arrival) : fate_of(fault);
}

uint64_t Stack::prefetch_index(const Segment* frame) const {
  const uint64_t hash = flow_hash(wire::answer_tuple_of(frame), secrets_.table);
  index_.prefetch(hash);
  return hash;
}

void Stack::prefetch_connection(uint64_t hash) const {
  constexpr size_t kLine = 64;
  const uint32_t candidate = index_.candidate(hash);
  if (candidate == kNoFlow) return;
  const auto* bytes = reinterpret_cast<const std::byte*>(&connections_[candidate]);
  for (size_t at = 0; at < sizeof(Connection); at += kLine) __builtin_prefetch(bytes + at, 1);
}

Fate Stack::input(Segment* frame, uint16_t listener, uint64_t hash) {
  const Tuple ours = wire::answer_tuple_of(frame);
  Connection* c = find(ours, hash);
  // What is nobody's is not looked at: it may be meant for another stack at this address.
  if (c == nullptr && listener == kNoListener) return Fate::unclaimed;
  Arrival arrival;
  if (const Arrival::Fault fault = arrival.read(frame); fault != Arrival::Fault::none) return fate_of(fault);
  if (c == nullptr || c->state == State::time_wait) arrival.tuple = ours.reversed();
  if (c == nullptr) return take_new(frame, arrival, listener);
  if (c->state == State::closed) return Fate::unclaimed;
  if (c->state == State::time_wait && reuses(*c, arrival)) {
    const Sequence beyond = replace(*c);
    return take_syn(frame, arrival, listener, &beyond);
  }
  context_.transmitter.arrived(frame, *c);
  arrival.take(frame);
  segment_arrives(context_, *c, arrival);
  if (c->has(kHalfOpen) && c->state != State::syn_received) leave_backlog(*c);
  return Fate::taken;
}

Fate Stack::foresee(const Segment* frame, uint16_t listener) const {
  const Tuple ours = wire::answer_tuple_of(frame);
  const Connection* c = find(ours);
  if (c == nullptr && listener == kNoListener) return Fate::unclaimed;
  Arrival arrival;
  if (const Arrival::Fault fault = arrival.read(frame); fault != Arrival::Fault::none) return fate_of(fault);
  arrival.tuple = ours.reversed();
  const bool listens = listener != kNoListener && listeners_[listener].open;
  if (c != nullptr) {
    if (c->state == State::time_wait && reuses(*c, arrival)) return listens ? Fate::taken : Fate::unclaimed;
    return c->state == State::closed ? Fate::unclaimed : Fate::taken;
  }
  if (!listens) return Fate::unclaimed;
  const bool cookie = arrival.has(wire::kAck) && !arrival.has(wire::kSyn) && !arrival.has(wire::kRst) &&
                      context_.now < listeners_[listener].cookies_until && read_cookie(arrival, context_.now, secrets_);
  return cookie ? Fate::taken : first_fate(arrival);
}

// A connection in TIME-WAIT makes room for its successor, whose sequence numbers go on behind it.
Sequence Stack::replace(Connection& c) {
  const Sequence beyond = c.next + 65535;
  finish(context_, c, End::closed);
  unlist(c);
  return beyond;
}

// RFC 6191 section 2, and RFC 9293 section 3.6.1 without timestamps.
bool Stack::reuses(const Connection& c, const Arrival& syn) const {
  if ((syn.flags & (wire::kSyn | wire::kAck | wire::kRst)) != wire::kSyn) return false;
  if (c.has(kTimestampsOk) && syn.options.timestamps) {
    const uint32_t value = syn.options.timestamps->value;
    if (value != c.recent_timestamp) return after(value, c.recent_timestamp);
  }
  return after(syn.sequence, c.expected);
}

Fate Stack::take_new(Segment* frame, Arrival& arrival, uint16_t listener) {
  if (listener == kNoListener || !listeners_[listener].open || arrival.has(wire::kRst)) return Fate::unclaimed;
  if (arrival.has(wire::kAck)) {
    if (arrival.has(wire::kSyn) || !take_cookie(arrival, listener)) return Fate::unclaimed;
    Connection& c = *find(arrival.tuple->reversed());
    context_.transmitter.arrived(frame, c);
    arrival.take(frame);
    segment_arrives(context_, c, arrival);
    return Fate::taken;
  }
  return arrival.has(wire::kSyn) ? take_syn(frame, arrival, listener, nullptr) : Fate::unclaimed;
}

Fate Stack::take_syn(Segment* frame, Arrival& syn, uint16_t listener, const Sequence* beyond) {
  if (listener == kNoListener || !listeners_[listener].open) return Fate::unclaimed;
  if (backlog_is_full(listener)) {
    // A connection that lives as long as this answer.
    Connection c;
    c.tuple = syn.tuple->reversed();
    c.path_mtu = listeners_[listener].mtu;
    context_.transmitter.arrived(frame, c);
    answer_with_cookie(context_, c, syn, secrets_);
    context_.transmitter.forgotten(c);
    context_.counters.cookies_sent.add(1);
    listeners_[listener].cookies_until = context_.now + (kCookieMinutes + 1) * 60 * kSecond;
    release(frame);
    return Fate::taken;
  }
  Connection* c = allocate(syn.tuple->reversed());
  if (c == nullptr) return Fate::table_full;
  c->listener = listener;
  c->path_mtu = listeners_[listener].mtu;
  context_.transmitter.arrived(frame, *c);
  syn.take(frame);
  c->set(kHalfOpen);
  ++listeners_[listener].half_open;
  ++half_open_;
  open_passive(context_, *c, syn, secrets_, beyond);
  return Fate::taken;
}

// A listener's own, or the part of the table that handshakes of all listeners may fill: what is left is for those who
// answer.
bool Stack::backlog_is_full(uint16_t listener) const {
  return listeners_[listener].half_open >= listeners_[listener].backlog ||
         half_open_ >= std::max(capacity_ / kHalfOpenShare, 1u);
}

void Stack::leave_backlog(Connection& c) {
  c.unset(kHalfOpen);
  --listeners_[c.listener].half_open;
  --half_open_;
}

// Where none was sent lately none is believed: guessing one takes millions of tries, and would succeed in the end.
bool Stack::take_cookie(Arrival& ack, uint16_t listener) {
  if (context_.now >= listeners_[listener].cookies_until) return false;
  const std::optional<CookieOptions> options = read_cookie(ack, context_.now, secrets_);
  if (!options) return false;
  Connection* c = allocate(ack.tuple->reversed());
  if (c == nullptr) return false;
  c->listener = listener;
  c->path_mtu = listeners_[listener].mtu;
  open_by_cookie(context_, *c, ack, *options, secrets_);
  context_.counters.cookies_taken.add(1);
  return true;
}

bool Stack::packet_too_big(const Tuple& sent, Sequence sequence, uint32_t mtu) {
  Connection* c = find(sent);
  if (c != nullptr) packet_was_too_big(context_, *c, sequence, mtu);
  return c != nullptr;
}

// RFC 5927 section 5.2 and RFC 9293 section 3.9.2.2: a hard error ends a connection that is opening, no other one.
bool Stack::unreachable(const Tuple& sent, Sequence sequence) {
  Connection* c = find(sent);
  if (c != nullptr && c->state == State::syn_sent && sequence == c->iss) finish(context_, *c, End::unreachable);
  return c != nullptr;
}

// What owners call.

Connection* Stack::take_ready() {
  while (Connection* c = context_.take_ready()) {
    if (!c->has(kOrphan)) return c;
    context_.touch(*c);
  }
  return nullptr;
}

// As RFC 6191 section 2 lets the other side: its timestamps tell the connections apart, once their clock has moved on.
bool Stack::may_reopen(const Connection& c) const {
  return c.state == State::time_wait && c.has(kTimestampsOk) && context_.now_ms() - c.last_received > 1000;
}

bool Stack::may_connect(const Tuple& tuple) const {
  const Connection* c = find(tuple);
  return c == nullptr || may_reopen(*c);
}

Connection* Stack::connect(const Tuple& tuple, const Opening& opening) {
  Connection* old = find(tuple);
  if (old != nullptr && !may_reopen(*old)) return nullptr;
  const Sequence beyond = old != nullptr ? replace(*old) : 0;
  Connection* c = allocate(tuple);
  if (c == nullptr) return nullptr;
  c->owner = opening.owner;
  c->path_mtu = opening.mtu;
  c->path[0] = opening.path;
  c->path[1] = opening.mark;
  open_active(context_, *c, secrets_, old != nullptr ? &beyond : nullptr);
  return c;
}

void Stack::send(Connection& c, ByteQueue&& data) {
  if (c.state == State::closed || c.has(kFinQueued)) {
    data.clear();
    return;
  }
  c.to_send.push(std::move(data));
  context_.touch(c);
}

uint32_t Stack::send(Connection& c, const uint8_t* bytes, uint32_t n) {
  if (c.state == State::closed || c.has(kFinQueued) || context_.exhausted()) return 0;
  context_.touch(c);
  return c.to_send.copy_in(bytes, n, context_.buffers);
}

bool Stack::may_send(Connection& c) {
  if (c.state == State::closed || c.has(kFinQueued)) return false;
  constexpr uint32_t kLittle = 64 * 1024;  // while the lane's buffers are scarce
  const uint32_t most = context_.settings.max_send_buffer;
  if (c.to_send.held() < (context_.pressed() ? std::min(most, kLittle) : most)) return true;
  c.set(kFullSend);
  return false;
}

void Stack::taken(Connection& c) {
  if (c.state != State::closed) tcp::taken(context_, c);
}

void Stack::shut_down(Connection& c) {
  if (c.state == State::closed || c.has(kFinQueued)) return;
  if (c.state == State::syn_sent) return finish(context_, c, End::aborted);
  c.set(kFinQueued);
  context_.touch(c);
}

void Stack::close(Connection& c) {
  if (c.state == State::syn_sent) finish(context_, c, End::aborted);
  if (!c.received.empty() && c.state != State::closed) return abort(c);
  shut_down(c);
  c.set(kOrphan);
  c.owner = nullptr;
  if (c.state == State::fin_wait_2) c.life_at = context_.now + context_.settings.fin_wait;
  context_.touch(c);
}

void Stack::abort(Connection& c) {
  const bool synchronized = c.state >= State::syn_received && c.state != State::time_wait;
  if (synchronized) emit_reset(context_, c, c.next, true);
  finish(context_, c, End::aborted);
  c.set(kOrphan);
  c.owner = nullptr;
  context_.touch(c);
}

// Time.

void Stack::advance() {
  wheel_.advance(context_.now, [this](uint32_t index) { fire_timers(context_, connections_[index]); });
}

void Stack::flush() {
  while (Connection* c = context_.take_dirty()) settle(*c);
}

void Stack::settle(Connection& c) {
  if (c.has(kHalfOpen) && c.state != State::syn_received) leave_backlog(c);
  if (c.state != State::closed) {
    send_pending(context_, c);
    if (c.state == State::time_wait && c.has(kOrphan)) waiting_.add(c);
    set_timer(c);
    return;
  }
  unlist(c);
  if (c.has(kOrphan) && !c.ready) forget(c);
}

// A timer that is set too early fires for nothing and is set again: most are moved away before they fire. Nothing moves
// one in TIME-WAIT.
void Stack::set_timer(Connection& c) {
  const Nanoseconds next = next_timer(context_, c);
  if (next == kNever) {
    wheel_.clear(c.index);
  } else if (c.state == State::time_wait || !wheel_.fires_by(c.index, next)) {
    wheel_.set(c.index, next);
  }
}

}  // namespace flatproxy::tcp
