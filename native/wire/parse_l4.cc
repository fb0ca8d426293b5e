#include "wire/parse_l4.h"

#include "packet/frame.h"
#include "wire/icmp.h"
#include "wire/protocol.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace flatproxy::wire {
namespace {

bool fail(Reason& why, Reason reason) {
  why = reason;
  return false;
}

// Whether the first n bytes of the L4 packet are there, and contiguous.
bool have(Segment* head, uint32_t n) { return n <= head->l4_length && pull_up(head, head->l4_offset + n); }

void set_payload(Segment* head, uint32_t header) {
  head->payload_offset = static_cast<uint16_t>(head->l4_offset + header);
}

bool parse_tcp(Segment* head, Reason& why) {
  if (!have(head, kTcpSize)) return fail(why, Reason::tcp_truncated);
  const TcpView tcp{head->data + head->l4_offset};
  const uint32_t header = tcp.header_length();
  if (header < kTcpSize || tcp_flags_nonsense(tcp.flags())) return fail(why, Reason::tcp_header_invalid);
  if (header > head->l4_length) {
    const bool first = (head->flags & kFirstFragment) != 0;
    return fail(why, first ? Reason::tcp_truncated : Reason::tcp_header_invalid);
  }
  if (!have(head, header)) return fail(why, Reason::tcp_truncated);
  head->l4_ports = load32(tcp.p);
  set_payload(head, header);
  return true;
}

bool parse_udp(Segment* head, Reason& why) {
  if (!have(head, kUdpSize)) return fail(why, Reason::udp_truncated);
  const uint8_t* udp = head->data + head->l4_offset;
  const uint32_t length = load16(udp + 4);
  const bool whole = (head->flags & kFirstFragment) == 0;
  if (length < kUdpSize || (whole && length > head->l4_length)) return fail(why, Reason::udp_length_invalid);
  head->l4_ports = load32(udp);
  set_payload(head, kUdpSize);
  return true;
}

bool parse_icmp(Segment* head, Reason& why) {
  if (!have(head, kIcmpSize)) return fail(why, Reason::icmp_truncated);
  const uint8_t* icmp = head->data + head->l4_offset;
  if (icmp_is_echo(head->family, icmp[0])) {
    const uint32_t identifier = load16(icmp + 4);
    head->l4_ports = identifier << 16 | identifier;
  }
  set_payload(head, kIcmpSize);
  return true;
}

}  // namespace

bool parse_l4_header(Segment* head, Reason& why) {
  switch (head->protocol) {
    case protocol::kTcp:
      return parse_tcp(head, why);
    case protocol::kUdp:
      return parse_udp(head, why);
    case protocol::kIcmp:
      return head->family == 6 || parse_icmp(head, why);
    case protocol::kIcmp6:
      return head->family == 4 || parse_icmp(head, why);
    default:
      return true;
  }
}

}  // namespace flatproxy::wire
