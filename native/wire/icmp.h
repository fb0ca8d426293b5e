#pragma once

#include <optional>

#include "wire/bytes.h"

namespace flatproxy::wire {

constexpr uint32_t kIcmpSize = 8;

/// Message types of ICMP (RFC 792) and ICMPv6 (RFC 4443, RFC 4861).
namespace icmp4 {
constexpr uint8_t kEchoReply = 0, kUnreachable = 3, kSourceQuench = 4, kRedirect = 5, kEchoRequest = 8,
                  kTimeExceeded = 11, kParameterProblem = 12;
}  // namespace icmp4
namespace icmp6 {
constexpr uint8_t kUnreachable = 1, kPacketTooBig = 2, kTimeExceeded = 3, kParameterProblem = 4, kEchoRequest = 128,
                  kEchoReply = 129, kRouterSolicitation = 133, kRouterAdvertisement = 134, kNeighborSolicitation = 135,
                  kNeighborAdvertisement = 136, kRedirect = 137;
}  // namespace icmp6

/// Whether a message of this type reports an error and embeds the packet that caused it. Redirects are no errors, but
/// no error may be sent about one either: see l3/icmp_error.h.
inline bool icmp_is_error(uint8_t family, uint8_t type) {
  if (family == 6) return type < 128;
  return type == icmp4::kUnreachable || type == icmp4::kTimeExceeded || type == icmp4::kParameterProblem ||
         type == icmp4::kSourceQuench;
}
inline bool icmp_is_echo(uint8_t family, uint8_t type) {
  if (family == 6) return type == icmp6::kEchoRequest || type == icmp6::kEchoReply;
  return type == icmp4::kEchoRequest || type == icmp4::kEchoReply;
}

/// The common 8 bytes of ICMP and ICMPv6 messages.
struct Icmp {
  static constexpr uint32_t kChecksum = 2;

  uint8_t type = 0;
  uint8_t code = 0;
  uint16_t checksum = 0;
  uint32_t rest = 0;  ///< echo: identifier << 16 | sequence; packet too big: the MTU (ICMP: in the low 16 bits)

  static std::optional<Icmp> parse(Bytes bytes);
  /// Writes kIcmpSize bytes; `out` holds at least that many.
  void emit(MutableBytes out) const;
  uint16_t identifier() const { return static_cast<uint16_t>(rest >> 16); }
  uint16_t sequence() const { return static_cast<uint16_t>(rest); }
  bool operator==(const Icmp&) const = default;
};

}  // namespace flatproxy::wire
