#pragma once

#include <optional>

#include "wire/bytes.h"

namespace flatproxy::wire {

constexpr uint32_t kUdpSize = 8;

/// A UDP header (RFC 768).
struct Udp {
  static constexpr uint32_t kSourcePort = 0, kDestinationPort = 2, kChecksum = 6;

  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint16_t length = 0;    ///< header and payload, at least kUdpSize
  uint16_t checksum = 0;  ///< 0: none

  static std::optional<Udp> parse(Bytes bytes);
  /// Writes kUdpSize bytes; `out` holds at least that many.
  void emit(MutableBytes out) const;
  bool operator==(const Udp&) const = default;
};

}  // namespace flatproxy::wire
