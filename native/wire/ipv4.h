#pragma once

#include <array>
#include <optional>

#include "wire/address.h"
#include "wire/bytes.h"
#include "wire/checksum.h"

namespace flatproxy::wire {

constexpr uint32_t kIpv4Size = 20;     ///< without options
constexpr uint32_t kIpv4MaxSize = 60;  ///< with options

/// Reads the fields of an IPv4 header of at least kIpv4Size bytes; checks nothing.
struct Ipv4View {
  const uint8_t* p;

  static constexpr uint32_t kTotalLength = 2, kTtl = 8, kProtocol = 9, kChecksum = 10, kSource = 12, kDestination = 16;

  uint8_t version() const { return p[0] >> 4; }
  uint32_t header_length() const { return (p[0] & 15u) * 4; }
  uint8_t traffic_class() const { return p[1]; }
  uint16_t total_length() const { return load16(p + kTotalLength); }
  uint16_t identification() const { return load16(p + 4); }
  bool dont_fragment() const { return (p[6] & 0x40) != 0; }
  bool more_fragments() const { return (p[6] & 0x20) != 0; }
  /// Bytes of the datagram's payload in front of this fragment.
  uint32_t fragment_offset() const { return (load16(p + 6) & 0x1fffu) * 8; }
  /// Part of a datagram, whichever.
  bool fragment() const { return (load16(p + 6) & 0x3fff) != 0; }
  uint8_t ttl() const { return p[kTtl]; }
  uint8_t protocol() const { return p[kProtocol]; }
  uint16_t checksum() const { return load16(p + kChecksum); }
  Address source() const { return Address::from_v4(p + kSource); }
  Address destination() const { return Address::from_v4(p + kDestination); }
};

/// An IPv4 header (RFC 791).
struct Ipv4 {
  uint8_t traffic_class = 0;  ///< DSCP and ECN
  uint16_t total_length = 0;  ///< header and payload
  uint16_t identification = 0;
  bool dont_fragment = false;
  bool more_fragments = false;
  uint16_t fragment_offset = 0;  ///< bytes, a multiple of 8
  uint8_t ttl = 64;
  uint8_t protocol = 0;
  Address source;
  Address destination;
  uint8_t options_length = 0;  ///< bytes, a multiple of 4, up to 40
  std::array<uint8_t, 40> options{};

  /// Checks version, header length, total length (at least the header) and header checksum.
  static std::optional<Ipv4> parse(Bytes bytes);
  uint32_t size() const { return kIpv4Size + options_length; }
  /// Writes size() bytes with the checksum; `out` holds at least that many.
  void emit(MutableBytes out) const;
  bool operator==(const Ipv4&) const = default;
};

inline void Ipv4::emit(MutableBytes out) const {
  uint8_t* p = out.data();
  const uint32_t first = (0x40u | size() / 4) << 24 | uint32_t{traffic_class} << 16 | total_length;
  const uint32_t second = uint32_t{identification} << 16 |
                          ((dont_fragment ? 0x4000u : 0) | (more_fragments ? 0x2000u : 0) | fragment_offset / 8u);
  const uint32_t third = uint32_t{ttl} << 24 | uint32_t{protocol} << 16;
  // Summed up out of registers: bytes just written in small pieces are slow to read in large ones.
  uint64_t sum = uint64_t{__builtin_bswap32(first)} + __builtin_bswap32(second) + __builtin_bswap32(third) +
                 source.v4() + destination.v4();
  if (options_length > 0) sum = sum_bytes(options.data(), options_length, sum);
  store32(p, first);
  store32(p + 4, second);
  store32(p + 8, third | finish(sum));
  std::memcpy(p + 12, source.v4_bytes(), 4);
  std::memcpy(p + 16, destination.v4_bytes(), 4);
  std::memcpy(p + kIpv4Size, options.data(), options_length);
}

/// Whether the options of an IPv4 header can be read to their end and hold no source route (RFC 7126 section 4.3: to be
/// dropped by default).
bool ipv4_options_acceptable(Bytes options);

}  // namespace flatproxy::wire
