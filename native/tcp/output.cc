#include "tcp/output.h"

#include <algorithm>
#include <bit>

#include "tcp/emit.h"
#include "tcp/pacing.h"
#include "tcp/receive.h"
#include "tcp/recovery.h"
#include "tcp/timers.h"
#include "wire/tcp.h"

namespace flatproxy::tcp {
namespace {

uint32_t send_window(const Connection& c) {
  const Sequence edge = c.una + c.window;
  return after(edge, c.next) ? edge - c.next : 0;
}

// Bytes of one frame at most: whole segments, as many as a SentFrame has bits.
uint32_t frame_bytes(const Context& context, const Connection& c) {
  const uint32_t most = std::clamp(context.settings.max_frame / c.mss, 1u, SentFrame::kMaxUnits);
  return (is_paced(c) ? std::clamp(paced_bytes(c) / c.mss, 2u, most) : most) * c.mss;
}

// Whether a segment that is not full may go. RFC 9293 section 3.7.4: not while a small one is not acknowledged (in
// Minshall's variant of Nagle's rule).
bool may_send_tail(const Connection& c) {
  if (c.has(kFinQueued)) return true;
  if (c.has(kCork)) return false;
  return c.has(kNoDelay) || !after(c.small_end, c.una);
}

// How many of the unsent bytes are to be sent in one frame now; 0: none. Says whether it is the congestion window that
// forbids more.
uint32_t sendable(const Context& context, const Connection& c, bool& congested) {
  const uint32_t unsent = c.to_send.unsent();
  const uint32_t window = send_window(c);
  const uint32_t room = congestion_room(c);
  if (unsent < c.mss && unsent <= std::min(window, room)) return may_send_tail(c) ? unsent : 0;
  uint32_t n = std::min({unsent, window, frame_bytes(context, c)});
  if (n > room) {
    congested = true;
    n = room / c.mss * c.mss;
  }
  if (n == unsent) return n % c.mss == 0 || may_send_tail(c) ? n : n - n % c.mss;
  if (n >= c.mss) return n - n % c.mss;
  return n > 0 && n >= c.max_window / 2 ? n : 0;  // RFC 9293 section 3.8.6.2.1, (3)
}

bool may_send_fin(const Connection& c, uint32_t n) {
  return c.has(kFinQueued) && !c.has(kFinSent) && n == c.to_send.unsent() && send_window(c) > n;
}

void begin_flight(Context& context, Connection& c) {
  if (c.flight != nullptr) return;
  c.flight = context.new_flight();
  c.flight->recovery.limited_until = c.next;
  note_life(context, c);
  // RFC 5681 section 4.1: after an idle timeout the old window says nothing.
  const Nanoseconds idle = Nanoseconds{context.now_ms() - c.last_sent} * kMillisecond;
  if (context.settings.slow_start_after_idle && idle > Nanoseconds{c.round_trip.timeout()} * 1000) {
    c.congestion.size = std::min(c.congestion.size, initial_window(context, c));
  }
}

// RFC 7661: how much of the window is used counts for a round trip.
void note_use(Connection& c, bool congested) {
  Recovery& r = c.flight->recovery;
  const uint32_t out = c.in_flight();
  if (!before(c.una, r.limited_until) || congested || (!r.limited && out > r.most_out)) {
    r.limited = congested;
    r.most_out = out;
    r.limited_until = c.next;
  }
}

bool has_nothing_to_send(const Connection& c) {
  return c.flight == nullptr && c.to_send.unsent() == 0 && !c.has(kFinQueued) && !c.has(kPaced);
}

// One frame of new data, or the FIN. False: there are no buffers.
bool send_new_frame(Context& context, Connection& c, uint32_t n) {
  const bool fin = may_send_fin(c, n);
  Place place;
  if (n > 0) {
    place = c.to_send.next();
    const uint32_t fits = attachable(place, n);
    if (fits < n) n = fits > c.mss ? fits / c.mss * c.mss : fits;
  }
  const bool last = n == c.to_send.unsent();
  Outgoing out{.sequence = c.next, .payload = n, .place = place, .ecn_capable = c.has(kEcnOk) && n > 0};
  if (n > 0 && last) out.flags |= wire::kPsh;
  if (fin && last) out.flags |= wire::kFin;
  if (c.has(kSayReduced)) out.flags |= wire::kCwr;
  if (!emit(context, c, out)) return false;
  begin_flight(context, c);
  c.flight->sent(c.next, n, fin && last, c.mss, place, context.now);
  c.flight->recovery.out += n;
  pay_for(context, c, n);
  if (n > 0) {
    c.to_send.advance(n);
    c.unset(kSayReduced);
    c.unset(kGettingMany);
    c.last_sent = context.now_ms();
    // Data that answer soon: acknowledgments may ride on them.
    const bool answers = c.expected != c.irs + 1;
    if (answers && c.last_sent - c.last_received < context.settings.ack_delay / kMillisecond) c.quick_acks = 0;
  }
  c.next += n;
  if (n > 0 && (n < c.mss || n % c.mss != 0)) c.small_end = c.next;
  if (fin && last) {
    c.next += 1;
    c.set(kFinSent);
    c.state = c.state == State::close_wait ? State::last_ack : State::fin_wait_1;
  }
  return true;
}

// True: something was sent.
bool send_new(Context& context, Connection& c) {
  bool sent = false;
  bool congested = false;
  while (may_go_on(context, c)) {
    const uint32_t n = c.to_send.unsent() > 0 ? sendable(context, c, congested) : 0;
    if ((n == 0 && !may_send_fin(c, n)) || !send_new_frame(context, c, n)) break;
    sent = true;
  }
  if (c.flight != nullptr && (sent || congested)) note_use(c, congested);
  return sent;
}

// Whether a repeat of so many bytes ends with our FIN.
bool ends_with_fin(const Connection& c, const Flight::Repeat& what, uint32_t length) {
  return c.has(kFinSent) && what.begin + length == c.next;
}

// How many of a repeat's units the congestion window lets out, in one frame; one when nothing is on the way. A FIN
// takes no room.
uint32_t repeatable(const Context& context, const Connection& c, const Flight::Repeat& what) {
  const uint32_t room = std::min(congestion_room(c), std::max<uint32_t>(context.settings.max_frame, c.mss));
  if (room >= what.length - ends_with_fin(c, what, what.length)) return what.count;
  const uint32_t units = std::min(what.count - 1, room / what.unit);
  return units == 0 && pipe_of(c) == 0 ? 1 : units;
}

bool repeat(Context& context, Connection& c, const Flight::Repeat& what, uint32_t units) {
  const uint32_t length = what.bytes_of(units);
  const Sequence end = what.begin + length;
  const bool fin = ends_with_fin(c, what, length);
  Outgoing out{.sequence = what.begin, .payload = length - fin, .place = what.place, .skip = what.skip};
  if (fin) out.flags |= wire::kFin;
  if (out.payload > 0 && end == c.next && c.to_send.unsent() == 0) out.flags |= wire::kPsh;
  if (!emit(context, c, out)) return false;
  c.flight->repeated(what, units, context.now);
  c.flight->recovery.out += length;
  context.counters.repeated.add(units);
  return true;
}

bool send_lost(Context& context, Connection& c) {
  bool sent = false;
  Flight::Repeat lost;
  while (c.flight != nullptr && c.flight->next_lost(lost)) {
    const uint32_t units = repeatable(context, c, lost);
    if (units == 0 || !repeat(context, c, lost, units)) break;
    sent = true;
  }
  return sent;
}

}  // namespace

void send_pending(Context& context, Connection& c) {
  if (c.state < State::established || c.state == State::time_wait) {
    if (c.state == State::time_wait) acknowledge_if_due(context, c);
    return;
  }
  if (has_nothing_to_send(c)) {
    acknowledge_if_due(context, c);
    c.retransmit = Retransmit::none;
    c.retransmit_at = kNever;
    return;
  }
  const bool resent = send_lost(context, c);
  const bool sent = send_new(context, c);
  acknowledge_if_due(context, c);
  if (resent || sent || c.retransmit == Retransmit::none) set_retransmission(context, c, sent);
}

void send_tail_probe(Context& context, Connection& c) {
  Recovery& r = c.flight->recovery;
  const uint32_t window = send_window(c);
  context.counters.tail_probes.add(1);
  r.probe_resent = false;
  const uint32_t fresh = std::min({c.to_send.unsent(), window, uint32_t{c.mss}});
  bool sent = fresh > 0 && send_new_frame(context, c, fresh);
  if (!sent) {
    r.probe_resent = true;
    sent = repeat(context, c, c.flight->last_segment(), 1);
  }
  r.probing = sent;
  r.probe_end = c.next;
}

void send_held(Context& context, Connection& c) {
  const uint32_t n = std::min({c.to_send.unsent(), send_window(c), uint32_t{c.mss}, congestion_room(c)});
  if (n > 0) send_new_frame(context, c, n);
  context.touch(c);
}

void send_probe(Context& context, Connection& c) { emit(context, c, {.sequence = c.una - 1}); }

}  // namespace flatproxy::tcp
