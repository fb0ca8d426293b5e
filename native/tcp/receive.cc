#include "tcp/receive.h"

#include <algorithm>

#include "tcp/emit.h"

namespace flatproxy::tcp {
namespace {

constexpr uint32_t kLeastRound = 4000;                 // microseconds: on a busy core an owner may come no more often
constexpr Nanoseconds kAnswerTime = 5 * kMillisecond;  // within which one comes whose owner answers soon

uint32_t scale_of(const Connection& c) { return c.has(kScalingOk) ? c.receive_shift : 0; }

// Bounds count the memory that is held: small segments in large buffers may hold twice what the window offers.
uint32_t memory_bound(const Connection& c) { return 2 * c.receive_limit + Buffers::kLargeCapacity; }
uint32_t memory_held(const Connection& c) { return c.received.held() + (c.ahead ? c.ahead->held() : 0); }

// How far the window may reach beyond what has come in order. What is offered and then refused comes again.
uint32_t space(const Context& context, const Connection& c) {
  if (memory_held(c) >= memory_bound(c)) return 0;
  const uint32_t limit =
      context.pressed() ? std::min(c.receive_limit, context.settings.initial_receive_window) : c.receive_limit;
  return limit - std::min(limit, c.received.bytes());
}

uint32_t worthwhile(const Connection& c) { return std::min<uint32_t>(c.receive_limit / 2, c.mss); }

// A window of twice what its owner takes in a round trip lets the other side double its own. An owner that takes much
// at once and then nothing for long is as slow as that; and a window is a promise of memory, which all share.
void tune_window(Context& context, Connection& c) {
  const uint32_t round = std::max(c.round_trip.smoothed(), kLeastRound);
  const uint32_t elapsed = context.now_us() - c.tune_at;
  if (elapsed < round) return;
  const Sequence taken = c.expected - c.received.bytes();
  const uint64_t per_round = uint64_t{taken - c.tune_from} * round / elapsed;
  const uint32_t scaled = std::min(context.settings.max_receive_buffer, 65535u << scale_of(c));
  const uint64_t most = std::min<uint64_t>(scaled, context.spare_bytes() / 3);
  const uint64_t wanted = std::min(2 * per_round + 2u * c.mss, most);
  if (wanted > c.receive_limit) c.receive_limit = static_cast<uint32_t>(wanted);
  c.tune_from = taken;
  c.tune_at = context.now_us();
}

void note_duplicate(Context& context, Connection& c, Sequence begin, Sequence end) {
  context.counters.duplicates.add(1);
  if (c.has(kSackOk)) c.duplicate = {begin, end};  // RFC 2883
  c.set(kAckNow);
}

void take_ahead(Context& context, Connection& c, Arrival& arrival) {
  if (c.ahead == nullptr) c.ahead = context.new_reassembly();
  if (context.pressed()) {
    context.counters.memory_refused.add(arrival.segments);
    return;
  }
  if (memory_held(c) + arrival.data.held() > memory_bound(c)) {
    // What fills the gap is worth more than what lies behind it.
    c.ahead->shed(c.ahead->held() / 2);
    context.counters.memory_refused.add(1);
    if (memory_held(c) + arrival.data.held() > memory_bound(c)) return;
  }
  const Sequence begin = arrival.sequence;
  const Sequence end = begin + arrival.data.bytes();
  if (c.ahead->insert(begin, std::move(arrival.data), context.buffers) == 0) note_duplicate(context, c, begin, end);
}

void take_in_order(Context& context, Connection& c, Arrival& arrival) {
  if (c.ahead == nullptr) {
    c.expected += arrival.data.bytes();
    c.received.absorb(std::move(arrival.data), context.buffers);
    return;
  }
  // Up to what came ahead: that came first, and stays where the two overlap.
  const uint32_t gap = c.ahead->empty() ? arrival.data.bytes() : c.ahead->begin() - c.expected;
  const uint32_t fresh = std::min(gap, arrival.data.bytes());
  ByteQueue filling = arrival.data.cut_front(fresh, context.buffers);
  c.received.absorb(std::move(filling), context.buffers);
  c.expected += fresh;
  if (!arrival.data.empty()) c.ahead->insert(c.expected, std::move(arrival.data), context.buffers);
  c.expected = c.ahead->deliver(c.expected, c.received);
  if (c.ahead->empty()) context.give_back(std::move(c.ahead));
  c.set(kAckNow);  // RFC 5681 section 4.2: a segment that fills a gap is acknowledged at once
}

// Whoever has opened a connection asks. The other side's small segment may be the beginning of an answer whose rest it
// holds back until that is acknowledged (Nagle), unless its FIN says that this was all.
bool may_wait(const Connection& c) { return c.has(kAnswersSoon) && (c.has(kPassive) || c.peer_closed()); }

}  // namespace

uint16_t offer_window(Context& context, Connection& c) {
  const Sequence edge = c.expected + space(context, c);
  const bool opens = after(edge, c.window_edge) && (c.received.empty() || !context.pressed());
  // RFC 9293 section 3.8.6.2.2: silly windows are not offered.
  if (opens && edge - c.window_edge >= worthwhile(c)) c.window_edge = edge;
  const uint32_t window = after(c.window_edge, c.expected) ? c.window_edge - c.expected : 0;
  return static_cast<uint16_t>(std::min(window >> scale_of(c), 65535u));
}

void acknowledged(Connection& c) {
  c.unset(kAckNow);
  c.unset(kAckSoon);
  c.unacked_segments = 0;
  c.ack_at = kNever;
  c.last_ack_sent = c.expected;
  c.duplicate = {};
}

void take_data(Context& context, Connection& c, Arrival& arrival) {
  if (context.exhausted()) {
    context.counters.memory_refused.add(arrival.segments);
    return;
  }
  if (before(arrival.sequence, c.expected)) {
    const uint32_t known = std::min(c.expected - arrival.sequence, arrival.data.bytes());
    note_duplicate(context, c, arrival.sequence, arrival.sequence + known);
    arrival.data.drop_front(known);
    arrival.sequence += known;
  }
  // What lies behind the window is cut off.
  const uint32_t room = after(c.window_edge, arrival.sequence) ? c.window_edge - arrival.sequence : 0;
  if (arrival.data.bytes() > room) {
    ByteQueue inside = arrival.data.cut_front(room, context.buffers);
    arrival.data = std::move(inside);
    c.set(kAckNow);
  }
  if (arrival.data.empty()) return;

  const uint32_t before_it = c.received.bytes();
  if (arrival.sequence == c.expected) {
    take_in_order(context, c, arrival);
  } else {
    context.counters.out_of_order.add(arrival.segments);
    take_ahead(context, c, arrival);
    c.set(kAckNow);  // RFC 5681 section 4.2: the other side is to learn of the gap
  }
  if (c.received.bytes() > before_it) context.tell(c, kReadable);
  c.unacked_segments = static_cast<uint8_t>(std::min(c.unacked_segments + arrival.segments, 255u));
  if (c.quick_acks > 0) {
    --c.quick_acks;
    // RFC 1122 section 4.2.3.2: a small segment may be all of a question, and the answer carries its acknowledgment.
    c.set(arrival.has(wire::kPsh) && arrival.payload < c.mss ? kAckSoon : kAckNow);
  }
  // No data of ours will follow it soon, and BBR takes the silence for a slow path: its next burst is paced by that.
  if (c.has(kAckTails) && c.has(kGettingMany) && arrival.has(wire::kPsh)) c.set(kAckNow);
}

void taken(Context& context, Connection& c) {
  tune_window(context, c);
  const uint32_t offered = after(c.window_edge, c.expected) ? c.window_edge - c.expected : 0;
  if (offered >= 2u * c.mss && offered > c.receive_limit / 2) return;
  const Sequence edge = c.expected + space(context, c);
  if (!after(edge, c.window_edge)) return;
  const uint32_t opens = edge - c.window_edge;
  const bool was_shut = offered < 2u * c.mss && opens >= worthwhile(c);
  if (was_shut || opens >= c.receive_limit / 2) acknowledge_soon(context, c);
}

void acknowledge_if_due(Context& context, Connection& c) {
  // RFC 9293 section 3.8.6.3: at least every second segment, and not long after the first one.
  if (c.unacked_segments >= 2) c.set(kGettingMany);
  const bool now = c.has(kAckNow) || c.unacked_segments >= 2 || (c.has(kAckSoon) && !may_wait(c));
  if (now) {
    emit(context, c, {.sequence = c.next});
  } else if (c.has(kAckSoon)) {
    c.ack_at = std::min(c.ack_at, context.now + kAnswerTime);
  } else if (c.unacked_segments > 0 && c.ack_at == kNever) {
    c.ack_at = context.now + context.settings.ack_delay;
  }
}

}  // namespace flatproxy::tcp
