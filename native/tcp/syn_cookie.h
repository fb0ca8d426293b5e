#pragma once

#include <optional>

#include "tcp/arrival.h"
#include "tcp/secrets.h"
#include "tcp/settings.h"

namespace flatproxy::tcp {

/// What a SYN cookie remembers of a SYN (RFC 4987 section 3.6): the MSS in the sequence number, the rest in the
/// timestamp if the other side echoes one.
struct CookieOptions {
  uint16_t mss = 0;
  std::optional<uint8_t> window_scale;
  bool sack = false;
};

/// The sequence number of a SYN and ACK that needs no memory. Valid for kCookieMinutes minutes at least.
Sequence make_cookie(const Arrival& syn, Nanoseconds now, const Secrets& secrets);
/// Its timestamp value. @param timestamp the value that it would have had
uint32_t cookie_timestamp(const wire::TcpOptions& offered, uint32_t timestamp);

/// What an acknowledgment proves to have been in its SYN; nothing when it is none of a cookie of ours.
std::optional<CookieOptions> read_cookie(const Arrival& ack, Nanoseconds now, const Secrets& secrets);

constexpr uint32_t kCookieMinutes = 2;

}  // namespace flatproxy::tcp
