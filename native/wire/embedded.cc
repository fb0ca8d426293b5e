#include "wire/embedded.h"

#include <algorithm>

#include "packet/frame.h"
#include "wire/checksum.h"
#include "wire/extensions_of.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/protocol.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace flatproxy::wire {
namespace {

constexpr uint32_t kLeastL4 = 8;  // RFC 792: "64 bits of data"
constexpr uint32_t kNeeded = 18;  // up to the end of TCP's checksum field

bool fail(Reason& why, Reason reason) {
  why = reason;
  return false;
}

// The quotation: what the error holds behind its own header.
uint32_t quotation_end(const Segment* head) { return head->l4_offset + head->l4_length; }

// Makes [at, at + n) contiguous; false when the quotation or the head's room ends before.
bool have(Segment* head, uint32_t at, uint32_t n) { return at + n <= quotation_end(head) && pull_up(head, at + n); }

bool read_ipv4(Segment* head, Tuple& tuple, EmbeddedView& view, Reason& why) {
  if (!have(head, view.l3_offset, kIpv4Size)) return fail(why, Reason::icmp_truncated);
  const Ipv4View ip{head->data + view.l3_offset};
  if (ip.version() != 4 || ip.header_length() < kIpv4Size || ip.fragment_offset() != 0) {
    return fail(why, Reason::icmp_malformed);
  }
  tuple.source = ip.source();
  tuple.destination = ip.destination();
  view.protocol = ip.protocol();
  view.l4_offset = static_cast<uint16_t>(view.l3_offset + ip.header_length());
  return true;
}

bool read_ipv6(Segment* head, Tuple& tuple, EmbeddedView& view, Reason& why) {
  if (!have(head, view.l3_offset, kIpv6Size)) return fail(why, Reason::icmp_truncated);
  const Ipv6View ip{head->data + view.l3_offset};
  if (ip.version() != 6) return fail(why, Reason::icmp_malformed);
  const Extensions found = extensions_of(head, view.l3_offset, quotation_end(head));
  if (found.error == ExtensionError::truncated) return fail(why, Reason::icmp_truncated);
  if (found.error != ExtensionError::none || found.fragment.offset != 0) return fail(why, Reason::icmp_malformed);
  tuple.source = ip.source();
  tuple.destination = ip.destination();
  view.protocol = found.protocol;
  view.l4_offset = static_cast<uint16_t>(view.l3_offset + kIpv6Size + found.length);
  return true;
}

// Where the L4 checksum stands, from the L4 header; 0: not a protocol with ports.
uint32_t checksum_field(uint8_t family, uint8_t protocol) {
  switch (protocol) {
    case protocol::kTcp:
      return TcpView::kChecksum;
    case protocol::kUdp:
      return Udp::kChecksum;
    case protocol::kIcmp:
      return family == 4 ? Icmp::kChecksum : 0;
    case protocol::kIcmp6:
      return family == 6 ? Icmp::kChecksum : 0;
    default:
      return 0;
  }
}

bool read_l4(Segment* head, Tuple& tuple, EmbeddedView& view, Reason& why) {
  const uint32_t l4 = view.l4_offset;
  if (!have(head, l4, kLeastL4)) return fail(why, Reason::icmp_truncated);
  const uint32_t quoted = std::min(quotation_end(head) - l4, kNeeded);
  if (!pull_up(head, l4 + quoted)) return fail(why, Reason::icmp_truncated);
  const uint32_t field = checksum_field(head->family, view.protocol);
  if (field == 0) return fail(why, Reason::icmp_unrelated);
  const uint8_t* p = head->data + l4;
  tuple.source_port = load16(p);
  tuple.destination_port = load16(p + 2);
  if (field == Icmp::kChecksum) {
    if (!icmp_is_echo(head->family, p[0])) {
      return fail(why, icmp_is_error(head->family, p[0]) ? Reason::icmp_malformed : Reason::icmp_unrelated);
    }
    tuple.source_port = tuple.destination_port = load16(p + 4);
  }
  view.has_l4_checksum = field + 2 <= quoted;
  view.checksum_offset = static_cast<uint16_t>(l4 + field);
  return true;
}

}  // namespace

bool is_icmp_error(const Segment* head) {
  const uint8_t icmp = head->family == 4 ? protocol::kIcmp : protocol::kIcmp6;
  if (head->family == 0 || head->protocol != icmp || (head->flags & (kFirstFragment | kLaterFragment)) != 0)
    return false;
  return icmp_is_error(head->family, head->data[head->l4_offset]);
}

bool embedded_tuple(Segment* head, Tuple& tuple, EmbeddedView& view, Reason& why) {
  if (!is_icmp_error(head)) return fail(why, Reason::icmp_unrelated);
  if ((head->flags & kChecksumValid) == 0 && !sum_intact(sum_l4(head))) return fail(why, Reason::icmp_checksum_bad);
  view = {};
  view.l3_offset = static_cast<uint16_t>(head->l4_offset + kIcmpSize);
  if (!(head->family == 4 ? read_ipv4(head, tuple, view, why) : read_ipv6(head, tuple, view, why))) return false;
  if (!read_l4(head, tuple, view, why)) return false;
  tuple.protocol = view.protocol;
  tuple.family = head->family;
  return true;
}

}  // namespace flatproxy::wire
