#pragma once

#include <cstdint>

#include "packet/buffers.h"
#include "packet/segment.h"
#include "packet/token_bucket.h"
#include "wire/address.h"

namespace flatproxy {

/// What an error says (RFC 792, RFC 1812 section 5.2.7, RFC 4443 section 3).
enum class IcmpError : uint8_t {
  time_exceeded,
  net_unreachable,
  host_unreachable,
  port_unreachable,
  admin_prohibited,
  packet_too_big  ///< IPv4: fragmentation needed (RFC 1191)
};

/// Whether an error may be sent about a parsed frame (RFC 1122 section 3.2.2, RFC 4443 section 2.4 e): not about ICMP
/// errors and redirects, later fragments, what was sent to a group or to everybody on either layer, or by nobody.
bool may_send_error(const Segment* offending);

/// The error about a parsed frame, back to its sender; quotes the frame as it is now, up to 576 bytes of IPv4 packet
/// (RFC 1812 section 4.3.2.3) or 1280 of IPv6. Leaves by the port and VLAN of the frame, its MACs swapped.
/// Call it while the frame is still as its sender sent it (addresses, ports, TTL). nullptr: may_send_error() forbids
/// it, the families differ, or the pool is empty.
/// @param source an address of ours, of the frame's family  @param mtu packet_too_big: bytes that would pass
Segment* make_icmp_error(Buffers& buffers, const Segment* offending, IcmpError error, const wire::Address& source,
                         uint16_t mtu = 0);

/// Bounds how many errors a lane sends (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 f): a token bucket.
class IcmpErrorLimiter : public TokenBucket {
 public:
  static constexpr uint32_t kPerSecond = 1000;
  static constexpr uint32_t kBurst = 50;

  explicit IcmpErrorLimiter(uint32_t per_second = kPerSecond, uint32_t burst = kBurst)
      : TokenBucket(per_second, burst) {}
};

}  // namespace flatproxy
