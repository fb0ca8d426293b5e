#pragma once

#include <optional>

#include "wire/address.h"
#include "wire/bytes.h"

namespace flatproxy::wire {

constexpr uint32_t kIpv6Size = 40;
constexpr uint32_t kIpv6FragmentSize = 8;

/// Reads the fields of an IPv6 header of kIpv6Size bytes; checks nothing.
struct Ipv6View {
  const uint8_t* p;

  static constexpr uint32_t kPayloadLength = 4, kNextHeader = 6, kHopLimit = 7, kSource = 8, kDestination = 24;

  uint8_t version() const { return p[0] >> 4; }
  uint8_t traffic_class() const { return static_cast<uint8_t>(load16(p) >> 4); }
  uint32_t flow_label() const { return load32(p) & 0xfffff; }
  uint16_t payload_length() const { return load16(p + kPayloadLength); }
  uint8_t next_header() const { return p[kNextHeader]; }
  uint8_t hop_limit() const { return p[kHopLimit]; }
  Address source() const { return Address::from_v6(p + kSource); }
  Address destination() const { return Address::from_v6(p + kDestination); }
};

/// An IPv6 header (RFC 8200).
struct Ipv6 {
  uint8_t traffic_class = 0;
  uint32_t flow_label = 0;      ///< 20 bits
  uint16_t payload_length = 0;  ///< extension headers and payload
  uint8_t next_header = 0;
  uint8_t hop_limit = 64;
  Address source;
  Address destination;

  static std::optional<Ipv6> parse(Bytes bytes);
  /// Writes kIpv6Size bytes; `out` holds at least that many.
  void emit(MutableBytes out) const;
  bool operator==(const Ipv6&) const = default;
};

/// An IPv6 fragment header (RFC 8200 section 4.5).
struct Ipv6Fragment {
  uint8_t next_header = 0;
  uint16_t offset = 0;  ///< bytes, a multiple of 8
  bool more = false;
  uint32_t identification = 0;

  static std::optional<Ipv6Fragment> parse(Bytes bytes);
  /// Writes kIpv6FragmentSize bytes; `out` holds at least that many.
  void emit(MutableBytes out) const;
  bool operator==(const Ipv6Fragment&) const = default;
};

/// Extension headers that are walked at most, and their bytes.
constexpr uint32_t kMaxExtensionHeaders = 8;
constexpr uint32_t kMaxExtensionBytes = 256;

enum class ExtensionError : uint8_t { none, truncated, invalid };

/// What a walk over the extension headers has found.
struct Extensions {
  ExtensionError error = ExtensionError::none;
  uint8_t protocol = 0;  ///< the first header that is no extension
  uint32_t length = 0;   ///< bytes of extension headers in front of it
  bool has_fragment = false;
  Ipv6Fragment fragment;
};

/// Walks the extension headers: hop-by-hop (first only, no jumbo payload: RFC 2675), routing (no type 0: RFC 5095),
/// destination options, authentication, fragment (once; a later fragment ends the walk). `invalid` also when the bounds
/// above are exceeded; `truncated` when the headers go on behind the bytes given.
/// @param bytes what follows the IPv6 header
Extensions walk_extensions(uint8_t next_header, Bytes bytes);

}  // namespace flatproxy::wire
