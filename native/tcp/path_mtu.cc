#include "tcp/path_mtu.h"

#include <algorithm>

#include "tcp/emit.h"

namespace flatproxy::tcp {
namespace {

constexpr uint16_t kMinimum4 = 552;    // RFC 1191 section 7.1 has no smaller plateau in use
constexpr uint16_t kMinimum6 = 1280;   // RFC 8200 section 5
constexpr uint16_t kBase = 1200 + 40;  // RFC 8899 section 5.1.2: BASE_PLPMTU, with the headers of TCP over IPv4
constexpr uint8_t kSuspicious = 3;     // timeouts in a row
constexpr uint16_t kTimestampsSize = 12;

void shrink_path(Context& context, Connection& c, uint16_t mtu) {
  c.path_mtu = mtu;
  const uint16_t before = c.mss;
  set_mss(c);
  if (c.mss >= before || c.flight == nullptr) return;
  // What was lost for its size is no sign of congestion; it goes again, cut smaller.
  c.flight->lose_all();
  c.flight->recovery.phase = Phase::loss;
  c.flight->recovery.point = c.next;
  context.touch(c);
}

}  // namespace

void set_mss(Connection& c) {
  const uint16_t fits = std::min(c.peer_mss, mss_of_mtu(c.path_mtu, c.tuple.family));
  c.mss = static_cast<uint16_t>(fits - (c.has(kTimestampsOk) ? kTimestampsSize : 0));
}

void packet_was_too_big(Context& context, Connection& c, Sequence sequence, uint32_t mtu) {
  const bool in_flight = c.flight != nullptr && within(c.una, sequence, c.next);
  const uint32_t least = c.tuple.family == 4 ? kMinimum4 : kMinimum6;
  if (!in_flight || mtu >= c.path_mtu) return;
  shrink_path(context, c, static_cast<uint16_t>(std::max(mtu, least)));
}

void suspect_black_hole(Context& context, Connection& c) {
  const uint16_t base = c.tuple.family == 4 ? kBase : kMinimum6;
  if (c.backoff == kSuspicious && c.path_mtu > base) shrink_path(context, c, base);
}

}  // namespace flatproxy::tcp
