#include "tcp/handshake.h"

#include <algorithm>

#include "tcp/acknowledge.h"
#include "tcp/emit.h"
#include "tcp/end.h"
#include "tcp/path_mtu.h"
#include "tcp/receive.h"
#include "tcp/recovery.h"
#include "tcp/timers.h"

namespace flatproxy::tcp {
namespace {

constexpr uint16_t kDefaultMss4 = 536, kDefaultMss6 = 1220;  // RFC 9293 section 3.7.1: without the option
constexpr uint16_t kLeastMss = 88;  // of a hostile peer: more headers than payload serve nobody
constexpr uint8_t kMaxShift = 14;   // RFC 7323 section 2.3
constexpr uint8_t kQuickAcks = 16;

void offer(const Context& context, Connection& c) {
  const Settings& s = context.settings;
  c.flags |= (s.timestamps ? kTimestampsOk : 0u) | (s.sack ? kSackOk : 0u) | (s.window_scaling ? kScalingOk : 0u);
  if (s.ecn == Ecn::request || (s.ecn == Ecn::accept && c.has(kPassive))) c.set(kEcnOk);
  c.receive_shift = std::min(s.window_shift, kMaxShift);
  const uint16_t mtu = c.tuple.family == 4 ? s.mtu4 : s.mtu6;
  c.path_mtu = c.path_mtu == 0 ? mtu : std::min(c.path_mtu, mtu);
  c.user_timeout = static_cast<uint32_t>(s.user_timeout / kMillisecond);
  c.receive_limit = s.initial_receive_window;
}

void number(const Context& context, Connection& c, const Secrets& secrets, const Sequence* beyond) {
  c.timestamp_offset = timestamp_offset(c.tuple, secrets);
  c.iss = initial_sequence(c.tuple, context.now, secrets);
  if (beyond != nullptr && !after(c.iss, *beyond)) c.iss = *beyond + 1;
}

void begin(Context& context, Connection& c, State state) {
  c.state = state;
  c.una = c.iss;
  c.next = c.iss + 1;
  c.stalled_since = context.now_ms();
  emit_syn(context, c);
  c.retransmit = Retransmit::timeout;
  c.retransmit_at = context.now + Nanoseconds{RoundTrip::kInitialTimeout} * 1000;
  c.life_at = context.now + context.settings.connect_timeout;
  context.touch(c);
}

/// What has answered is a connection that the other side still remembers, as after a restart of ours: TIME-WAIT, whose
/// timestamps and sequence numbers ours do not follow. The reset ends it (RFC 9293 section 3.5.2), so the SYN goes
/// again at once, once, and not after a second.
void answer_from_before(Context& context, Connection& c, const Arrival& a) {
  emit_reset(context, c, a.acknowledgment, false);
  if (c.backoff > 0 || a.has(wire::kSyn)) return;
  c.backoff = 1;
  emit_syn(context, c);
  c.retransmit_at = context.now + 2 * Nanoseconds{RoundTrip::kInitialTimeout} * 1000;
  context.touch(c);
}

}  // namespace

void open_active(Context& context, Connection& c, const Secrets& secrets, const Sequence* beyond) {
  offer(context, c);
  number(context, c, secrets, beyond);
  begin(context, c, State::syn_sent);
}

void negotiate(const Context& context, Connection& c, const Arrival& syn) {
  const wire::TcpOptions& options = syn.options;
  c.irs = syn.sequence;
  c.expected = c.window_edge = c.last_ack_sent = syn.sequence + 1;
  c.tune_from = c.expected;
  const uint16_t without = c.tuple.family == 4 ? kDefaultMss4 : kDefaultMss6;
  c.peer_mss = std::max(options.mss.value_or(without), kLeastMss);
  if (!options.timestamps) c.unset(kTimestampsOk);
  if (!options.sack_permitted) c.unset(kSackOk);
  if (!options.window_scale) c.unset(kScalingOk);
  c.send_shift = c.has(kScalingOk) ? std::min(*options.window_scale, kMaxShift) : 0;
  if (!c.has(kScalingOk)) c.receive_shift = 0;
  if (options.timestamps) {
    c.recent_timestamp = options.timestamps->value;
    c.recent_at = static_cast<uint32_t>(context.now / kSecond);
  }
  // RFC 3168 section 6.1.1: a SYN asks with both flags, a SYN and ACK agrees with ECE alone.
  const uint8_t said = syn.flags & (wire::kEce | wire::kCwr);
  if (said != (syn.has(wire::kAck) ? wire::kEce : wire::kEce | wire::kCwr)) c.unset(kEcnOk);
  set_mss(c);
}

void open_passive(Context& context, Connection& c, const Arrival& syn, const Secrets& secrets, const Sequence* beyond) {
  c.set(kPassive);
  offer(context, c);
  negotiate(context, c, syn);
  number(context, c, secrets, beyond);
  c.window = syn.window;
  c.window_seq = syn.sequence;
  begin(context, c, State::syn_received);
}

void answer_with_cookie(Context& context, Connection& c, const Arrival& syn, const Secrets& secrets) {
  c.set(kPassive);
  offer(context, c);
  negotiate(context, c, syn);
  c.unset(kEcnOk);
  if (!c.has(kTimestampsOk)) {
    // There is nowhere to remember them.
    c.unset(kSackOk);
    c.unset(kScalingOk);
  }
  c.timestamp_offset = timestamp_offset(c.tuple, secrets);
  c.timestamp_offset += cookie_timestamp(syn.options, context.timestamp(c)) - context.timestamp(c);
  c.state = State::syn_received;
  c.iss = make_cookie(syn, context.now, secrets);
  emit_syn(context, c);
}

void open_by_cookie(Context& context, Connection& c, const Arrival& ack, const CookieOptions& options,
                    const Secrets& secrets) {
  Arrival syn;
  syn.sequence = ack.sequence - 1;
  syn.flags = wire::kSyn;
  syn.options.mss = options.mss;
  syn.options.timestamps = ack.options.timestamps;
  syn.options.sack_permitted = options.sack;
  syn.options.window_scale = options.window_scale;
  c.set(kPassive);
  offer(context, c);
  negotiate(context, c, syn);
  c.window_edge = c.expected + std::min(context.settings.initial_receive_window, 65535u);
  c.timestamp_offset = timestamp_offset(c.tuple, secrets);
  c.iss = c.una = ack.acknowledgment - 1;
  c.next = ack.acknowledgment;
  c.state = State::syn_received;
  c.stalled_since = context.now_ms();
}

void establish(Context& context, Connection& c, const Arrival& a) {
  // RFC 6298 section 2.2; of a repeated SYN only a timestamp can tell (Karn's rule).
  if (c.retransmit == Retransmit::timeout && c.backoff == 0) {
    const Nanoseconds sent_at = c.retransmit_at - Nanoseconds{RoundTrip::kInitialTimeout} * 1000;
    c.round_trip.sample(static_cast<uint32_t>((context.now - sent_at) / 1000), context.now_us());
  } else if (const uint32_t echoed = echoed_round_trip(context, c, a); echoed != 0) {
    c.round_trip.sample(echoed, context.now_us());
  }
  c.state = State::established;
  c.una = a.acknowledgment;
  c.small_end = c.una;
  c.window_seq = a.sequence;
  c.window_ack = a.acknowledgment;
  // The window of a SYN is not scaled (RFC 7323 section 2.2).
  c.window = uint32_t{a.window} << (a.has(wire::kSyn) ? 0 : c.send_shift);
  c.max_window = std::max(c.max_window, c.window);
  // RFC 6928 section 2: one segment when the SYN was lost.
  c.congestion.size = c.backoff > 1 ? c.mss : initial_window(context, c);
  c.backoff = 0;
  c.quick_acks = kQuickAcks;
  c.retransmit = Retransmit::none;
  c.retransmit_at = kNever;
  c.last_received = c.last_sent = context.now_ms();
  c.tune_at = c.pace_at = context.now_us();
  watch_idleness(context, c);
  context.counters.opened.add(1);
  context.tell(c, kOpened);
  context.touch(c);
}

void arrives_in_syn_sent(Context& context, Connection& c, Arrival& a) {
  // First, the acknowledgment.
  const bool acceptable = a.has(wire::kAck) && a.acknowledgment == c.next;
  if (a.has(wire::kAck) && !acceptable) {
    if (!a.has(wire::kRst)) answer_from_before(context, c, a);
    return;
  }
  // Second, the reset; third, the rest must be a SYN.
  if (a.has(wire::kRst)) {
    if (acceptable) finish(context, c, End::refused);
    return;
  }
  if (!a.has(wire::kSyn)) return;
  negotiate(context, c, a);
  if (acceptable) {
    establish(context, c, a);
    acknowledge_soon(context, c);
    return;
  }
  // Both sides have opened at once (section 3.5, figure 7).
  c.state = State::syn_received;
  c.window = a.window;
  c.window_seq = a.sequence;
  emit_syn(context, c);
  context.touch(c);
}

}  // namespace flatproxy::tcp
