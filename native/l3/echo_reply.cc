#include "l3/echo_reply.h"

#include <algorithm>

#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/protocol.h"
#include "wire/tuple_of.h"

namespace flatproxy {
namespace {

constexpr uint8_t kHopLimit = 64;

void turn_ipv4(uint8_t* ip) {
  std::swap_ranges(ip + wire::Ipv4View::kSource, ip + wire::Ipv4View::kDestination, ip + wire::Ipv4View::kDestination);
  // Swapping leaves the sum as it is; the TTL is the high byte of its word.
  const uint32_t old_word = wire::load16(ip + wire::Ipv4View::kTtl);
  ip[wire::Ipv4View::kTtl] = kHopLimit;
  uint8_t* field = ip + wire::Ipv4View::kChecksum;
  const uint32_t new_word = wire::load16(ip + wire::Ipv4View::kTtl);
  wire::store16(field, wire::checksum_adjust(wire::load16(field), old_word, new_word));
}

void turn_ipv6(uint8_t* ip) {
  std::swap_ranges(ip + wire::Ipv6View::kSource, ip + wire::Ipv6View::kDestination, ip + wire::Ipv6View::kDestination);
  ip[wire::Ipv6View::kHopLimit] = kHopLimit;
}

}  // namespace

bool is_echo_request(const Segment* frame) {
  if (frame->family == 0 || (frame->flags & (kFirstFragment | kLaterFragment)) != 0) return false;
  const bool v4 = frame->family == 4;
  if (frame->protocol != (v4 ? wire::protocol::kIcmp : wire::protocol::kIcmp6)) return false;
  const uint8_t* icmp = frame->data + frame->l4_offset;
  if (icmp[0] != (v4 ? wire::icmp4::kEchoRequest : wire::icmp6::kEchoRequest) || icmp[1] != 0) return false;
  return !wire::destination_of(frame).multicast() && !wire::source_of(frame).unspecified();
}

void make_echo_reply(Segment* frame) {
  std::swap_ranges(frame->data, frame->data + 6, frame->data + 6);
  uint8_t* icmp = frame->data + frame->l4_offset;
  const uint32_t old_word = wire::load16(icmp);
  icmp[0] = frame->family == 4 ? wire::icmp4::kEchoReply : wire::icmp6::kEchoReply;
  if ((frame->flags & kNeedsChecksum) == 0) {
    uint8_t* field = icmp + wire::Icmp::kChecksum;
    wire::store16(field, wire::checksum_adjust(wire::load16(field), old_word, wire::load16(icmp)));
  }
  uint8_t* ip = frame->data + frame->l3_offset;
  frame->family == 4 ? turn_ipv4(ip) : turn_ipv6(ip);
}

}  // namespace flatproxy
