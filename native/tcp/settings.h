#pragma once

#include <cstdint>

#include "packet/segment.h"
#include "tcp/congestion/congestion.h"

namespace flatproxy::tcp {

constexpr Nanoseconds kMillisecond = 1'000'000;
constexpr Nanoseconds kSecond = 1'000'000'000;

/// Explicit congestion notification (RFC 3168).
enum class Ecn : uint8_t { off, request, accept };

/// How a stack's connections behave: what they have in common. Times in nanoseconds, sizes in bytes.
struct Settings {
  const CongestionControl* congestion = &cubic();
  bool timestamps = true;      ///< RFC 7323
  bool sack = true;            ///< RFC 2018, 2883
  bool window_scaling = true;  ///< RFC 7323
  Ecn ecn = Ecn::off;
  bool tail_loss_probe = true;              ///< RFC 8985 section 7
  bool slow_start_after_idle = false;       ///< RFC 5681 section 4.1
  uint8_t window_shift = 8;                 ///< offered; at most 14
  uint32_t initial_window = 10;             ///< segments (RFC 6928)
  uint32_t initial_receive_window = 65535;  ///< offered in a SYN
  uint32_t max_receive_buffer = 15 << 20;   ///< the window is not tuned beyond it
  uint32_t max_send_buffer = 4 << 20;       ///< memory held by what is to be sent and to be acknowledged
  uint16_t mtu4 = 1500;                     ///< of an IPv4 packet
  uint16_t mtu6 = 1500;                     ///< of an IPv6 packet
  uint32_t max_frame = 65535 - 20 - 60;  ///< payload of a frame at most, in many wire segments: what one packet holds
  Nanoseconds ack_delay = 40 * kMillisecond;  ///< RFC 9293 section 3.8.6.3
  Nanoseconds connect_timeout = 120 * kSecond;
  Nanoseconds user_timeout = 900 * kSecond;  ///< data unacknowledged for so long end a connection (RFC 5482)
  Nanoseconds keepalive_after = 0;           ///< 0: none is sent (RFC 9293 section 3.8.4)
  Nanoseconds keepalive_interval = 75 * kSecond;
  uint32_t keepalive_probes = 9;
  Nanoseconds time_wait = 60 * kSecond;
  Nanoseconds fin_wait = 60 * kSecond;  ///< of a connection that its owner has closed: for the other side's FIN
  uint32_t timer_slack = 0;             ///< a timer may be late by its time over two to this power; 0: not at all
  uint8_t challenges_per_second = 10;   ///< RFC 5961 section 7, of each connection
};

}  // namespace flatproxy::tcp
