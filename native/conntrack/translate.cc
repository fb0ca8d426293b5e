#include "conntrack/translate.h"

#include <cstring>

#include "wire/checksum_delta.h"

namespace flatproxy {
namespace {

using wire::ChecksumDelta;

constexpr uint8_t kTcp = 6, kUdp = 17;

uint16_t load(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, 2);
  return v;
}
void store(uint8_t* p, uint16_t v) { std::memcpy(p, &v, 2); }

/// Writes the address of one end of an IP header, its header checksum too; adds what changed to `delta`.
void rewrite_address(uint8_t* ip, uint8_t family, End end, const wire::Address& to, ChecksumDelta& delta) {
  const unsigned size = family == 4 ? 4 : 16;
  uint8_t* field = ip + (family == 4 ? 12 : 8) + (end == End::source ? 0 : size);
  const uint8_t* bytes = family == 4 ? to.v4_bytes() : to.bytes.data();
  ChecksumDelta change;
  change.replace(field, bytes, size);
  std::memcpy(field, bytes, size);
  if (family == 4) store(ip + 10, change.applied_to(load(ip + 10)));
  delta.add(change);
}

void rewrite_port(uint8_t* l4, End end, uint16_t port, ChecksumDelta& delta) {
  uint8_t* field = l4 + (end == End::source ? 0 : 2);
  const uint8_t bytes[2] = {static_cast<uint8_t>(port >> 8), static_cast<uint8_t>(port)};
  delta.replace(field, bytes, 2);
  std::memcpy(field, bytes, 2);
}

unsigned checksum_field(uint8_t protocol) { return protocol == kTcp ? 16 : 6; }

void apply_l4(uint8_t* field, uint8_t protocol, const ChecksumDelta& delta) {
  const uint16_t old = load(field);
  if (protocol == kUdp && old == 0) return;  // RFC 768: the sender made none
  const uint16_t fresh = delta.applied_to(old);
  store(field, protocol == kUdp && fresh == 0 ? 0xffff : fresh);
}

}  // namespace

void translate(Segment* head, End end, const wire::Address& to, uint16_t port) {
  ChecksumDelta addresses;
  rewrite_address(head->data + head->l3_offset, head->family, end, to, addresses);
  if ((head->flags & kLaterFragment) != 0) return;
  uint8_t* l4 = head->data + head->l4_offset;
  ChecksumDelta ports;
  rewrite_port(l4, end, port, ports);
  uint8_t* field = l4 + checksum_field(head->protocol);
  if ((head->flags & kNeedsChecksum) != 0) {
    store(field, addresses.applied_to_partial(load(field)));
    return;
  }
  addresses.add(ports);
  apply_l4(field, head->protocol, addresses);
}

void translate_quoted(Segment* head, const Quoted& quoted, End end, const wire::Address& to, uint16_t port) {
  uint8_t* ip = head->data + quoted.l3_offset;
  uint8_t* l4 = head->data + quoted.l4_offset;
  const unsigned header = head->family == 4 ? 20 : 40;
  // The error's checksum covers every byte of the quotation: what changes is taken from copies of the old bytes.
  uint8_t old_ip[40];
  std::memcpy(old_ip, ip, header);
  const unsigned quoted_l4 = quoted.has_l4_checksum ? checksum_field(quoted.protocol) + 2 : 4;
  uint8_t old_l4[18];
  std::memcpy(old_l4, l4, quoted_l4);

  ChecksumDelta inside;
  rewrite_address(ip, head->family, end, to, inside);
  rewrite_port(l4, end, port, inside);
  if (quoted.has_l4_checksum) apply_l4(l4 + checksum_field(quoted.protocol), quoted.protocol, inside);

  ChecksumDelta outside;
  outside.replace(old_ip, ip, header);
  outside.replace(old_l4, l4, quoted_l4);
  uint8_t* icmp_checksum = head->data + head->l4_offset + 2;
  store(icmp_checksum, outside.applied_to(load(icmp_checksum)));
}

void translate_icmp_address(Segment* head, End end, const wire::Address& to) {
  ChecksumDelta delta;
  rewrite_address(head->data + head->l3_offset, head->family, end, to, delta);
  if (head->family == 4) return;  // ICMPv4 has no pseudo-header
  uint8_t* field = head->data + head->l4_offset + 2;
  store(field, delta.applied_to(load(field)));
}

}  // namespace flatproxy
