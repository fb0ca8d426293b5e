#include "tcp/acknowledge.h"

#include <algorithm>

#include "tcp/output.h"
#include "tcp/recovery.h"
#include "tcp/timers.h"

namespace flatproxy::tcp {
namespace {

// RFC 9293 section 3.10.7.4: a window is taken from the newest segment only. True: it has changed.
bool take_window(Connection& c, const Arrival& a) {
  const bool newer =
      before(c.window_seq, a.sequence) || (c.window_seq == a.sequence && !before(a.acknowledgment, c.window_ack));
  if (!newer) return false;
  const uint32_t window = uint32_t{a.window} << c.send_shift;
  const bool changed = window != c.window;
  c.window = window;
  c.max_window = std::max(c.max_window, window);
  c.window_seq = a.sequence;
  c.window_ack = a.acknowledgment;
  return changed;
}

// RFC 2883 section 4: a first block below the acknowledgment, or inside the second block, reports a duplicate.
bool reports_duplicate(const Connection& c, const Arrival& a) {
  if (a.options.sack_count == 0) return false;
  const wire::SackBlock& first = a.options.sack[0];
  // No older than what could still have been in flight.
  if (!before(first.begin, first.end) || c.next - first.begin > std::max(c.max_window, 65535u) * 2) return false;
  if (!after(first.end, a.acknowledgment)) return true;
  if (a.options.sack_count < 2) return false;
  const wire::SackBlock& second = a.options.sack[1];
  return !before(first.begin, second.begin) && !after(first.end, second.end);
}

void take_sacks(Connection& c, const Arrival& a, const AckContext& context, Arrivals& arrivals) {
  // Blocks in order of sequence: what is behind must not look as if it had overtaken.
  std::array<wire::SackBlock, wire::TcpOptions::kMaxSackBlocks> blocks{};
  size_t count = 0;
  for (uint8_t i = 0; i < a.options.sack_count; ++i) {
    const wire::SackBlock block = a.options.sack[i];
    const bool sane = before(block.begin, block.end) && !before(block.begin, c.una) && !after(block.end, c.next);
    if (!sane) continue;
    size_t place = count++;
    for (; place > 0 && before(block.begin, blocks[place - 1].begin); --place) blocks[place] = blocks[place - 1];
    blocks[place] = block;
  }
  for (size_t i = 0; i < count; ++i) c.flight->acknowledge(blocks[i], context, arrivals);
}

// RFC 8985 section 7.4: what a tail loss probe has shown.
void take_probe_outcome(Context& context, Connection& c, bool duplicate) {
  Recovery& r = c.flight->recovery;
  if (!r.probing || before(c.una, r.probe_end)) return;
  r.probing = false;
  // The probe was a repetition and no duplicate: it has mended a loss that was congestion.
  if (r.probe_resent && !duplicate) reduce_window(context, c);
}

// RFC 6582: without SACK a duplicate acknowledgment says that one more segment has left the network. Returns how many
// bytes the acknowledgment says have arrived (RFC 6937 section 3, DeliveredData).
uint32_t count_duplicates(Connection& c, const Arrival& a, uint32_t acked, bool window_changed) {
  Recovery& r = c.flight->recovery;
  if (acked > 0) {
    // The first segment of an acknowledgment is the repeated one; the others were counted when they came.
    const uint32_t counted = std::min<uint32_t>(r.duplicates, (acked + c.mss - 1) / c.mss - 1);
    r.duplicates = static_cast<uint8_t>(r.phase == Phase::open ? 0 : r.duplicates - counted);
    // Section 3.2, step 3: a partial acknowledgment names the next hole.
    if (r.phase == Phase::recovery && before(c.una, r.point)) c.flight->lose_first();
    return acked - std::min(acked, counted * c.mss);
  }
  const bool duplicate = a.length() == 0 && !window_changed && a.acknowledgment == c.una;
  if (!duplicate || r.duplicates == 255 || (uint32_t{r.duplicates} + 1) * c.mss > c.in_flight()) return 0;
  ++r.duplicates;
  return c.mss;
}

Nanoseconds take_round_trip(Context& context, Connection& c, const Arrival& a, const Arrivals& arrivals,
                            uint32_t acked) {
  uint32_t sample = 0;
  Nanoseconds latest = 0;
  if (arrivals.earliest_sent != kNever) {
    sample = static_cast<uint32_t>(std::min<Nanoseconds>((context.now - arrivals.earliest_sent) / 1000, ~0u));
    latest = context.now - arrivals.latest_sent;
  } else if (acked > 0) {
    sample = echoed_round_trip(context, c, a);  // Karn's rule: of what was repeated only a timestamp can tell
  }
  if (sample != 0 || latest != 0) c.round_trip.sample(sample, context.now_us());
  return latest;
}

void let_go(Context& context, Connection& c) {
  const Sequence base = c.flight->empty() ? c.una : c.flight->begin();
  const uint32_t sent = c.to_send.bytes() - c.to_send.unsent();
  const Sequence data_end = c.next - (c.has(kFinSent) ? 1 : 0);
  const uint32_t still_asked_for = after(data_end, base) ? data_end - base : 0;
  if (sent > still_asked_for) c.to_send.let_go(sent - still_asked_for);
  if (c.flight->empty()) context.give_back(std::move(c.flight));
  if (c.has(kFullSend) && c.to_send.held() < context.settings.max_send_buffer / 2) {
    c.unset(kFullSend);
    context.tell(c, kWritable);
  }
}

}  // namespace

uint32_t echoed_round_trip(const Context& context, const Connection& c, const Arrival& a) {
  if (!c.has(kTimestampsOk) || !a.options.timestamps || a.options.timestamps->echo == 0) return 0;
  const uint32_t milliseconds = context.timestamp(c) - a.options.timestamps->echo;
  if (milliseconds > RoundTrip::kMaximumTimeout / 1000) return 0;  // no value of ours
  return std::max(milliseconds * 1000, 1u);
}

void take_acknowledgment(Context& context, Connection& c, const Arrival& a) {
  const uint32_t acked = after(a.acknowledgment, c.una) ? a.acknowledgment - c.una : 0;
  const bool window_changed = take_window(c, a);
  if (window_changed) context.touch(c);
  // RFC 9293 section 3.8.6.1: whoever answers with a shut window is there, however long it stays shut.
  if (c.window == 0 || c.retransmit == Retransmit::persist) note_life(context, c);
  if (c.window > 0 && c.retransmit == Retransmit::persist) c.backoff = 0;
  if (c.flight == nullptr) return;

  const uint32_t least = c.round_trip.minimum();
  const bool has_echo = c.has(kTimestampsOk) && a.options.timestamps && a.options.timestamps->echo != 0;
  const AckContext reading{c.rack, context.now, least == ~0u ? kNever : Nanoseconds{least} * 1000, has_echo,
                           has_echo ? a.options.timestamps->echo - c.timestamp_offset : 0};
  Arrivals arrivals;
  c.una = later(c.una, a.acknowledgment);
  c.flight->acknowledge(c.una, reading, arrivals);
  const bool duplicate = c.has(kSackOk) && reports_duplicate(c, a);
  if (c.has(kSackOk) && a.options.sack_count > 0) take_sacks(c, a, reading, arrivals);
  if (duplicate) c.rack.saw_duplicate(c.una, c.next);

  const Nanoseconds round_trip = take_round_trip(context, c, a, arrivals, acked);
  if (acked > 0) {
    c.backoff = 0;
    c.retransmit = Retransmit::none;  // RFC 6298 section 5.3: to be set anew
    note_life(context, c);
  }
  take_probe_outcome(context, c, duplicate);
  if (!c.has(kSackOk)) arrivals.bytes = count_duplicates(c, a, acked, window_changed);
  // RFC 3168 section 6.1.2.
  if (c.has(kEcnOk) && a.has(wire::kEce)) {
    reduce_window(context, c);
    c.set(kSayReduced);
  }
  const bool lost = look_for_losses(context, c);
  steer_window(context, c, {.delivered = arrivals.bytes, .acked = acked, .lost = lost, .round_trip = round_trip});
  let_go(context, c);
  context.touch(c);
}

}  // namespace flatproxy::tcp
