#pragma once

#include <cstddef>
#include <cstdint>

#include "packet/segment.h"
#include "wire/address.h"
#include "wire/bytes.h"

namespace flatproxy::wire {

// The internet checksum (RFC 1071). A `sum` is a running ones' complement sum of 16-bit words as they lie in memory;
// fold() makes 16 bits of it, finish() the checksum in host order.

/// Adds with end-around carry.
inline uint64_t sum_add(uint64_t sum, uint64_t word) {
  sum += word;
  return sum + (sum < word ? 1 : 0);
}

/// Sum of n bytes, the first one at an even offset of what is summed.
uint64_t sum_bytes(const uint8_t* p, size_t n, uint64_t sum = 0);

/// Sum of the frame's bytes [offset, offset + n), across its segments; the first one at an even offset of what is
/// summed. Bytes beyond the end of the frame count as absent.
uint64_t sum_chain(const Segment* head, uint32_t offset, uint32_t n, uint64_t sum = 0);

/// The sum of the pseudo-header of TCP, UDP and ICMPv6 (RFC 9293 section 3.1, RFC 8200 section 8.1).
uint64_t sum_pseudo_header(const Address& source, const Address& destination, uint8_t protocol, uint32_t l4_length);

/// 16 bits of a sum, in memory order; 0 only when every word was 0.
inline uint16_t fold(uint64_t sum) {
  sum = (sum & 0xffffffffu) + (sum >> 32);
  sum = (sum & 0xffffffffu) + (sum >> 32);
  sum = (sum & 0xffffu) + (sum >> 16);
  sum = (sum & 0xffffu) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffffu) + (sum >> 16));
}
/// The checksum of a sum, host order.
inline uint16_t finish(uint64_t sum) { return static_cast<uint16_t>(~__builtin_bswap16(fold(sum))); }
/// Whether a sum that includes its checksum field says that the bytes are intact.
inline bool sum_intact(uint64_t sum) { return fold(sum) == 0xffff; }

/// The checksum of a span, host order.
inline uint16_t checksum(Bytes bytes) { return finish(sum_bytes(bytes.data(), bytes.size())); }

/// The sum of a parsed frame's whole L4 packet, pseudo-header included (ICMP over IPv4 has none). sum_intact() of it
/// verifies; finish() of it, with the field zeroed before, is the checksum to store. Not for fragments.
uint64_t sum_l4(const Segment* head);

// Incremental updates (RFC 1624, equation 3). The three arguments are in one byte order, any. The result is the one
// that a full computation gives, never the other zero: 0xffff would say that every byte summed is 0, and an IP header
// or a pseudo-header is not. Values start at an even offset of what is summed.

/// The updated checksum after a 16-bit word, or one of 32 bits, has changed.
inline uint16_t checksum_adjust(uint16_t checksum, uint32_t old_value, uint32_t new_value) {
  // 0xffff is a zero that keeps the folded sum away from 0.
  const uint64_t sum =
      uint64_t{static_cast<uint16_t>(~checksum)} + static_cast<uint32_t>(~old_value) + new_value + 0xffffu;
  return static_cast<uint16_t>(~fold(sum));
}

/// What an address change adds to a sum: computed once, applied to several checksums (the values in memory order).
inline uint64_t address_delta(const Address& old_address, const Address& new_address) {
  uint64_t sum = sum_add(~load64_raw(old_address.bytes.data()), load64_raw(new_address.bytes.data()));
  sum = sum_add(sum, ~load64_raw(&old_address.bytes[8]));
  return sum_add(sum, load64_raw(&new_address.bytes[8]));
}

/// The updated checksum after an address has changed to one of the same family. Host order.
inline uint16_t checksum_adjust(uint16_t checksum, const Address& old_address, const Address& new_address) {
  const uint16_t delta = __builtin_bswap16(fold(address_delta(old_address, new_address)));
  return static_cast<uint16_t>(~fold(uint64_t{static_cast<uint16_t>(~checksum)} + delta + 0xffffu));
}

/// The same for UDP, where 0 says "no checksum" and stays, and a computed 0 is sent as 0xffff (RFC 768). Not for
/// unfinished checksums.
template <typename Value>
inline uint16_t udp_checksum_adjust(uint16_t checksum, const Value& old_value, const Value& new_value) {
  if (checksum == 0) return 0;
  const uint16_t adjusted = checksum_adjust(checksum, old_value, new_value);
  return adjusted == 0 ? 0xffff : adjusted;
}

/// The same for an unfinished checksum (kNeedsChecksum): the field holds the pseudo-header's sum, not its complement.
template <typename Value>
inline uint16_t partial_checksum_adjust(uint16_t sum, const Value& old_value, const Value& new_value) {
  return static_cast<uint16_t>(~checksum_adjust(static_cast<uint16_t>(~sum), old_value, new_value));
}

}  // namespace flatproxy::wire
