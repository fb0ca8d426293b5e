#include "tcp/input.h"

#include "tcp/acknowledge.h"
#include "tcp/emit.h"
#include "tcp/end.h"
#include "tcp/handshake.h"
#include "tcp/receive.h"

namespace flatproxy::tcp {
namespace {

constexpr uint32_t kTimestampsAge =
    24 * 24 * 3600;  // seconds after which TS.Recent says nothing (RFC 7323 section 5.5)

// RFC 5961: the other side, if it is the one, answers with what proves it.
void challenge(Context& context, Connection& c) {
  if (!context.may_challenge(c)) {
    context.counters.challenges_held.add(1);
    return;
  }
  context.counters.challenges.add(1);
  acknowledge_soon(context, c);
}

// RFC 7323 section 5.3, (R1): a segment from long ago whose sequence number fits again.
bool is_old_duplicate(const Context& context, const Connection& c, const Arrival& a) {
  if (!c.has(kTimestampsOk) || !a.options.timestamps || a.has(wire::kRst)) return false;
  if (!before(a.options.timestamps->value, c.recent_timestamp)) return false;
  return static_cast<uint32_t>(context.now / kSecond) - c.recent_at < kTimestampsAge;
}

// RFC 9293 section 3.10.7.4, table 6.
bool is_in_window(const Connection& c, const Arrival& a) {
  const uint32_t window = after(c.window_edge, c.expected) ? c.window_edge - c.expected : 0;
  const uint32_t length = a.length();
  const auto inside = [&](Sequence at) { return at - c.expected < window; };
  if (window == 0) return a.sequence == c.expected && length == 0;
  if (length == 0) return inside(a.sequence);
  return inside(a.sequence) || inside(a.end() - 1);
}

// The first check fails: what is out of place is answered with where we are. Two ends that disagree must not answer
// each other's empty segments for ever, so those are challenged, which has a limit.
void refuse(Context& context, Connection& c, const Arrival& a) {
  context.counters.out_of_window.add(a.segments);
  if (a.has(wire::kRst)) return;
  if (c.state == State::syn_received && a.has(wire::kSyn) && a.sequence == c.irs) {
    emit_syn(context, c);  // ours was lost
    return;
  }
  if (a.payload > 0 && before(a.sequence, c.expected)) {
    context.counters.duplicates.add(a.segments);
    if (c.has(kSackOk)) c.duplicate = {a.sequence, earlier(a.sequence + a.payload, c.expected)};  // RFC 2883
  }
  if (a.length() == 0) return challenge(context, c);
  acknowledge_soon(context, c);
}

// Second. RFC 5961 section 3.2: a reset is taken that names exactly what is expected next.
void take_reset(Context& context, Connection& c, const Arrival& a) {
  if (a.sequence != c.expected) {
    challenge(context, c);
    return;
  }
  context.counters.resets_received.add(1);
  // What it says has come, has: whoever sends it again elsewhere is to know.
  if (a.has(wire::kAck) && within(c.una, a.acknowledgment, c.next)) c.una = a.acknowledgment;
  const bool opening = c.state == State::syn_received;
  finish(context, c, opening && !c.has(kPassive) ? End::refused : End::reset);
}

// Fifth. False: the segment goes no further.
bool take_ack(Context& context, Connection& c, const Arrival& a) {
  if (c.state == State::syn_received) {
    if (a.acknowledgment != c.next) {
      context.counters.bad_acks.add(1);
      emit_reset(context, c, a.acknowledgment, false);
      return false;
    }
    establish(context, c, a);
    return true;
  }
  // RFC 5961 section 5.2: blind data carry acknowledgments from anywhere.
  if (!within(c.una - c.max_window, a.acknowledgment, c.next)) {
    context.counters.bad_acks.add(1);
    if (before(a.acknowledgment, c.una)) {
      challenge(context, c);
    } else if (c.ack_at == kNever) {
      // It is owed an ACK, but no sooner than others: two that disagree must not answer each other for ever.
      c.ack_at = context.now + context.settings.ack_delay;
      context.touch(c);
    }
    return false;
  }
  take_acknowledgment(context, c, a);
  return true;
}

// RFC 7323 section 4.3, (2).
void note_timestamp(const Context& context, Connection& c, const Arrival& a) {
  if (!c.has(kTimestampsOk) || !a.options.timestamps) return;
  if (before(a.options.timestamps->value, c.recent_timestamp) || after(a.sequence, c.last_ack_sent)) return;
  c.recent_timestamp = a.options.timestamps->value;
  c.recent_at = static_cast<uint32_t>(context.now / kSecond);
}

// Our FIN has been acknowledged.
void fin_is_through(Context& context, Connection& c) {
  switch (c.state) {
    case State::fin_wait_1:
      c.state = State::fin_wait_2;
      if (c.has(kOrphan)) c.life_at = context.now + context.settings.fin_wait;
      return;
    case State::closing:
      return enter_time_wait(context, c);
    case State::last_ack:
      return finish(context, c, End::closed);
    default:
      return;
  }
}

// Eighth.
void take_fin(Context& context, Connection& c) {
  c.expected += 1;
  c.unset(kFinSeen);
  c.set(c.state == State::established ? kAckSoon : kAckNow);  // a FIN of ours may carry it
  context.touch(c);
  context.tell(c, kPeerClosed);
  switch (c.state) {
    case State::established:
      c.state = State::close_wait;
      return;
    case State::fin_wait_1:
      c.state = State::closing;  // had our FIN been acknowledged, this were FIN-WAIT-2
      return;
    case State::fin_wait_2:
      return enter_time_wait(context, c);
    default:
      return;
  }
}

// Nothing comes after a FIN.
void cut_behind_fin(Context& context, const Connection& c, Arrival& a) {
  const uint32_t room = after(c.peer_fin, a.sequence) ? c.peer_fin - a.sequence : 0;
  if (a.data.bytes() > room) a.data = a.data.cut_front(room, context.buffers);
}

// Seventh: data, and a FIN once all in front of it is there.
void take_text(Context& context, Connection& c, Arrival& a) {
  const bool open = c.state == State::established || c.state == State::fin_wait_1 || c.state == State::fin_wait_2;
  if (!open) return;
  if (a.payload > 0 && c.has(kOrphan)) {
    // RFC 9293 section 3.6.1: nobody will read what comes after a full close; the other side must learn that.
    emit_reset(context, c, a.acknowledgment, false);
    return finish(context, c, End::aborted);
  }
  const Sequence fin_at = a.sequence + a.payload;
  if (a.has(wire::kFin) && !before(c.window_edge, fin_at)) {
    c.peer_fin = fin_at;
    c.set(kFinSeen);
  }
  if (a.payload > 0) {
    if (c.has(kFinSeen)) cut_behind_fin(context, c, a);
    take_data(context, c, a);
    context.touch(c);
  }
  if (!c.has(kFinSeen)) return;
  if (c.expected == c.peer_fin) {
    take_fin(context, c);
  } else if (a.has(wire::kFin)) {
    acknowledge_soon(context, c);
  }
}

void take_congestion_marks(Connection& c, const Arrival& a) {
  if (!c.has(kEcnOk)) return;
  // RFC 3168 section 6.1.3.
  if (a.has(wire::kCwr)) c.unset(kEchoCongestion);
  if (a.congestion) c.set(kEchoCongestion);
}

void arrives_in_time_wait(Context& context, Connection& c, const Arrival& a) {
  // RFC 1337: a reset does not end TIME-WAIT. A FIN once more begins it anew (RFC 9293 section 3.10.7.4, eighth).
  if (a.has(wire::kRst)) return;
  if (a.has(wire::kFin)) c.life_at = context.now + context.settings.time_wait;
  if (a.length() > 0 || !is_in_window(c, a)) acknowledge_soon(context, c);
}

}  // namespace

void segment_arrives(Context& context, Connection& c, Arrival& a) {
  if (c.state == State::syn_sent) return arrives_in_syn_sent(context, c, a);
  if (is_old_duplicate(context, c, a)) {
    context.counters.old_timestamps.add(a.segments);
    return a.length() == 0 ? challenge(context, c) : acknowledge_soon(context, c);
  }
  if (c.state == State::time_wait) return arrives_in_time_wait(context, c, a);
  // A segment into a window that is shut still brings its acknowledgment (section 3.10.7.4, first).
  const bool probe = a.sequence == c.expected && c.window_edge == c.expected && !a.has(wire::kSyn);
  if (!is_in_window(c, a) && !probe) return refuse(context, c, a);
  c.last_received = context.now_ms();
  if (a.has(wire::kRst)) return take_reset(context, c, a);
  if (a.has(wire::kSyn)) return challenge(context, c);  // RFC 5961 section 4.2
  if (!a.has(wire::kAck)) return;
  // RFC 7323 section 3.2: once both sides send timestamps, a segment without is none of this connection's.
  if (c.has(kTimestampsOk) && !a.options.timestamps) return;
  if (!take_ack(context, c, a)) return;
  note_timestamp(context, c, a);
  take_congestion_marks(c, a);
  if (c.has(kFinSent) && c.una == c.next) fin_is_through(context, c);
  if (c.state == State::closed) return;
  // Sixth, urgent data: they are taken where they stand in the stream (RFC 6093 section 6).
  take_text(context, c, a);
  if (probe && a.payload > 0) acknowledge_soon(context, c);
}

}  // namespace flatproxy::tcp
