#include "tcp/timers.h"

#include <algorithm>

#include "tcp/emit.h"
#include "tcp/end.h"
#include "tcp/output.h"
#include "tcp/pacing.h"
#include "tcp/path_mtu.h"
#include "tcp/recovery.h"

namespace flatproxy::tcp {
namespace {

constexpr Nanoseconds kMicrosecond = 1000;
constexpr Nanoseconds kMinimumProbeTimeout = 2 * kMillisecond;
constexpr uint8_t kOrphanProbes = 8;  // window probes that a connection without an owner sends

/// RFC 6298 section 5.5 and 5.6: doubled for each timeout in a row.
Nanoseconds timeout_of(const Connection& c) {
  const uint64_t microseconds = uint64_t{c.round_trip.timeout()} << std::min<uint32_t>(c.backoff, 10);
  return std::min<uint64_t>(microseconds, RoundTrip::kMaximumTimeout) * kMicrosecond;
}

// RFC 8985 section 7.2.
bool may_probe_tail(const Context& context, const Connection& c) {
  const Recovery& r = c.flight->recovery;
  return context.settings.tail_loss_probe && c.has(kSackOk) && !r.probing && c.flight->sacked() == 0 &&
         c.flight->lost() == 0 && (r.phase == Phase::open || r.phase == Phase::reduced);
}
Nanoseconds probe_timeout_of(const Connection& c) {
  if (!c.round_trip.measured()) return timeout_of(c);
  Nanoseconds wait = 2 * Nanoseconds{c.round_trip.smoothed()} * kMicrosecond;
  if (c.in_flight() <= c.mss) wait += RoundTrip::kMinimumVariation * kMicrosecond;  // its ACK may be delayed
  return std::clamp(wait, kMinimumProbeTimeout, timeout_of(c));
}

// When a connection that waits to send more may.
Nanoseconds pace_of(const Context& context, const Connection& c) {
  if (!c.has(kPaced)) return kNever;
  return context.now + static_cast<Nanoseconds>(std::max(pacing_wait(context, c), 0)) * kMicrosecond;
}

bool stalled_too_long(const Context& context, const Connection& c) {
  return context.now_ms() - c.stalled_since >= c.user_timeout;
}

void set(Context& context, Connection& c, Retransmit kind, Nanoseconds wait) {
  c.retransmit = kind;
  c.retransmit_at = context.now + wait;
}

void time_out(Context& context, Connection& c) {
  context.counters.timeouts.add(1);
  if (stalled_too_long(context, c)) return finish(context, c, End::timeout);
  if (!c.synchronized()) {
    emit_syn(context, c);
    if (c.backoff < 255) ++c.backoff;
    return set(context, c, Retransmit::timeout, timeout_of(c));
  }
  begin_loss(context, c);
  suspect_black_hole(context, c);
  context.touch(c);
}

// RFC 9293 section 3.8.6.1. A window that is open again, or buffers that were missing, need no question.
void ask_for_window(Context& context, Connection& c) {
  if (stalled_too_long(context, c)) return finish(context, c, End::timeout);
  if (c.has(kOrphan) && c.probes >= kOrphanProbes) return finish(context, c, End::timeout);
  if (c.window > 0) {
    send_held(context, c);
    if (c.flight != nullptr) return;
  } else {
    send_probe(context, c);
    if (c.probes < 255) ++c.probes;
  }
  if (c.backoff < 255) ++c.backoff;
  set(context, c, Retransmit::persist, timeout_of(c));
}

void fire_retransmission(Context& context, Connection& c) {
  const Retransmit kind = c.retransmit;
  c.retransmit = Retransmit::none;
  c.retransmit_at = kNever;
  switch (kind) {
    case Retransmit::timeout:
      return time_out(context, c);
    case Retransmit::tail_loss:
      send_tail_probe(context, c);
      return set(context, c, Retransmit::timeout, timeout_of(c));
    case Retransmit::reordering:
      doubt_again(context, c);
      return context.touch(c);
    case Retransmit::persist:
      return ask_for_window(context, c);
    case Retransmit::none:
      return;
  }
}

// RFC 9293 section 3.8.4.
void keep_alive(Context& context, Connection& c) {
  const Settings& settings = context.settings;
  const Nanoseconds idle = Nanoseconds{context.now_ms() - c.last_received} * kMillisecond;
  if (idle < settings.keepalive_after) {
    c.probes = 0;
    c.life_at = context.now + settings.keepalive_after - idle;
    return;
  }
  if (c.probes >= settings.keepalive_probes) return finish(context, c, End::timeout);
  if (c.flight == nullptr) {
    send_probe(context, c);
    ++c.probes;
  }
  c.life_at = context.now + settings.keepalive_interval;
}

void fire_life(Context& context, Connection& c) {
  c.life_at = kNever;
  switch (c.state) {
    case State::syn_sent:
    case State::syn_received:
      return finish(context, c, End::connect_timeout);
    case State::time_wait:
      return finish(context, c, End::closed);
    case State::fin_wait_2:
      // Whoever still reads waits for a FIN.
      if (c.has(kOrphan)) return finish(context, c, End::closed);
      [[fallthrough]];
    default:
      if (context.settings.keepalive_after != 0) keep_alive(context, c);
  }
}

}  // namespace

void set_retransmission(Context& context, Connection& c, bool sent) {
  if (c.flight == nullptr) {
    const bool waiting = c.to_send.unsent() > 0 || (c.has(kFinQueued) && !c.has(kFinSent));
    if (!waiting) {
      c.retransmit = Retransmit::none;
      c.retransmit_at = kNever;
    } else if (c.retransmit != Retransmit::persist) {
      set(context, c, Retransmit::persist, timeout_of(c));
    }
    return;
  }
  if (c.retransmit == Retransmit::reordering) return;
  if (may_probe_tail(context, c)) {
    if (sent || c.retransmit != Retransmit::tail_loss) set(context, c, Retransmit::tail_loss, probe_timeout_of(c));
  } else if (c.retransmit != Retransmit::timeout) {
    set(context, c, Retransmit::timeout, timeout_of(c));
  }
}

Nanoseconds next_timer(const Context& context, const Connection& c) {
  const Nanoseconds retransmit = c.retransmit == Retransmit::none ? kNever : c.retransmit_at;
  return std::min({retransmit, c.ack_at, c.life_at, pace_of(context, c)});
}

void fire_timers(Context& context, Connection& c) {
  if (c.ack_at <= context.now) {
    c.ack_at = kNever;
    c.set(kAckNow);
    context.touch(c);
  }
  if (c.retransmit != Retransmit::none && c.retransmit_at <= context.now) fire_retransmission(context, c);
  if (c.life_at <= context.now) fire_life(context, c);
  context.touch(c);  // to be put into the wheel again
}

void note_life(Context& context, Connection& c) {
  c.stalled_since = context.now_ms();
  c.probes = 0;
}

void watch_idleness(Context& context, Connection& c) {
  const Nanoseconds after = context.settings.keepalive_after;
  c.life_at = after == 0 ? kNever : context.now + after;
}

}  // namespace flatproxy::tcp
