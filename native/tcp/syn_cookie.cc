#include "tcp/syn_cookie.h"

#include <array>

namespace flatproxy::tcp {
namespace {

// From the top: 5 bits of the minute, 3 of the MSS, 24 of a hash.
constexpr uint32_t kMinuteBits = 5, kMssBits = 3, kHashBits = 24;
constexpr std::array<uint16_t, 1 << kMssBits> kMss{216, 536, 1220, 1380, 1400, 1440, 1460, 8960};
constexpr uint8_t kNoScale = 15;
constexpr uint32_t kOptionBits = 5;  // of the timestamp: 4 of the window scale, 1 of SACK

uint32_t minute_of(Nanoseconds now) { return static_cast<uint32_t>(now / (60 * kSecond)); }

uint32_t hash_of(const Tuple& tuple, Sequence irs, uint32_t minute, uint32_t mss, const Secrets& secrets) {
  const uint64_t more = uint64_t{irs} << 32 | minute << kMssBits | mss;
  return static_cast<uint32_t>(siphash(tuple, more, secrets.cookie)) & ((1u << kHashBits) - 1);
}

uint32_t index_of(uint16_t mss) {
  uint32_t index = kMss.size() - 1;
  while (index > 0 && kMss[index] > mss) --index;
  return index;
}

}  // namespace

Sequence make_cookie(const Arrival& syn, Nanoseconds now, const Secrets& secrets) {
  const uint32_t minute = minute_of(now);
  const uint32_t index = index_of(syn.options.mss.value_or(syn.tuple->family == 4 ? 536 : 1220));
  const uint32_t hash = hash_of(*syn.tuple, syn.sequence, minute, index, secrets);
  return minute << (kMssBits + kHashBits) | index << kHashBits | hash;
}

uint32_t cookie_timestamp(const wire::TcpOptions& offered, uint32_t timestamp) {
  const uint32_t scale = offered.window_scale ? std::min<uint32_t>(*offered.window_scale, 14) : kNoScale;
  const uint32_t bits = scale | (offered.sack_permitted ? 1u << 4 : 0);
  const uint32_t value = (timestamp & ~((1u << kOptionBits) - 1)) | bits;
  // Never ahead of the clock: what follows must not look older.
  return after(value, timestamp) ? value - (1u << kOptionBits) : value;
}

std::optional<CookieOptions> read_cookie(const Arrival& ack, Nanoseconds now, const Secrets& secrets) {
  const Sequence cookie = ack.acknowledgment - 1;
  const uint32_t index = cookie >> kHashBits & ((1u << kMssBits) - 1);
  const uint32_t age = (minute_of(now) - (cookie >> (kMssBits + kHashBits))) & ((1u << kMinuteBits) - 1);
  if (age > kCookieMinutes) return std::nullopt;
  const uint32_t hash = hash_of(*ack.tuple, ack.sequence - 1, minute_of(now) - age, index, secrets);
  if (hash != (cookie & ((1u << kHashBits) - 1))) return std::nullopt;
  CookieOptions options;
  options.mss = kMss[index];
  if (ack.options.timestamps) {
    const uint32_t bits = ack.options.timestamps->echo;
    const auto scale = static_cast<uint8_t>(bits & 15);
    if (scale != kNoScale) options.window_scale = scale;
    options.sack = (bits >> 4 & 1) != 0;
  }
  return options;
}

}  // namespace flatproxy::tcp
