#pragma once

#include <cstdint>
#include <cstring>

#include "packet/segment.h"
#include "wire/address.h"
#include "wire/bytes.h"
#include "wire/checksum_delta.h"

namespace flatproxy {

/// Which end of a packet a translation rewrites.
enum class End : uint8_t { source, destination };

/// Rewrites address and port (host order) of one end of a parsed TCP or UDP packet, in the packet's own family, and
/// keeps every checksum true: the IPv4 header's, the L4 one whole or still to be completed, none for UDP without one
/// (RFC 768), none in later fragments.
void translate(Segment* head, End end, const wire::Address& to, uint16_t port);

/// The same for the most common packet, in one piece: IPv4, not a later fragment, checksum whole or UDP without one.
/// @param to address in network order
inline void translate_v4(Segment* head, End end, uint32_t to, uint16_t port) {
  uint8_t* ip = head->data + head->l3_offset;
  uint8_t* l4 = head->data + head->l4_offset;
  uint8_t* address = ip + (end == End::source ? 12 : 16);
  uint8_t* port_field = l4 + (end == End::source ? 0 : 2);
  const uint16_t network_port = __builtin_bswap16(port);
  wire::ChecksumDelta delta;
  delta.replace32(wire::load32_raw(address), to);
  std::memcpy(address, &to, 4);
  uint16_t sum;
  std::memcpy(&sum, ip + 10, 2);
  sum = delta.applied_to(sum);
  std::memcpy(ip + 10, &sum, 2);
  uint16_t old_port;
  std::memcpy(&old_port, port_field, 2);
  delta.replace(old_port, network_port);
  std::memcpy(port_field, &network_port, 2);
  const bool udp = head->protocol == 17;
  uint8_t* field = l4 + (udp ? 6 : 16);
  std::memcpy(&sum, field, 2);
  if (udp && sum == 0) return;
  sum = delta.applied_to(sum);
  if (udp && sum == 0) sum = 0xffff;
  std::memcpy(field, &sum, 2);
}

/// Where the packet that an ICMP error quotes lies in the frame; offsets from the frame's first byte.
struct Quoted {
  uint16_t l3_offset;
  uint16_t l4_offset;
  uint8_t protocol;
  bool has_l4_checksum;  ///< the quotation reaches as far as the L4 checksum field
};

/// Rewrites one end of the packet that an ICMP error quotes, and the error's own checksum. The headers must be
/// contiguous up to what the quotation holds of the L4 header.
void translate_quoted(Segment* head, const Quoted& quoted, End end, const wire::Address& to, uint16_t port);

/// Rewrites one end's address of an ICMP packet (no ports), with the checksums that cover it.
void translate_icmp_address(Segment* head, End end, const wire::Address& to);

}  // namespace flatproxy
