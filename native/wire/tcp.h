#pragma once

#include <optional>

#include "wire/bytes.h"
#include "wire/tcp_options.h"

namespace flatproxy::wire {

constexpr uint32_t kTcpSize = 20;     ///< without options
constexpr uint32_t kTcpMaxSize = 60;  ///< with options

enum TcpFlag : uint8_t {
  kFin = 1,
  kSyn = 2,
  kRst = 4,
  kPsh = 8,
  kAck = 16,
  kUrg = 32,
  kEce = 64,
  kCwr = 128,
};

/// Reads the fields of a TCP header of at least kTcpSize bytes; checks nothing.
struct TcpView {
  const uint8_t* p;

  static constexpr uint32_t kSourcePort = 0, kDestinationPort = 2, kSequence = 4, kAcknowledgment = 8, kFlags = 13,
                            kWindow = 14, kChecksum = 16;

  uint16_t source_port() const { return load16(p); }
  uint16_t destination_port() const { return load16(p + 2); }
  uint32_t sequence() const { return load32(p + 4); }
  uint32_t acknowledgment() const { return load32(p + 8); }
  uint32_t header_length() const { return (p[12] >> 4) * 4u; }
  uint8_t flags() const { return p[13]; }
  uint16_t window() const { return load16(p + 14); }
  uint16_t checksum() const { return load16(p + 16); }
  uint16_t urgent() const { return load16(p + 18); }
  /// header_length() is checked by then.
  Bytes options() const { return {p + kTcpSize, header_length() - kTcpSize}; }
};

/// A TCP header (RFC 9293).
struct Tcp {
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint32_t sequence = 0;
  uint32_t acknowledgment = 0;
  uint8_t flags = 0;
  uint16_t window = 0;
  uint16_t checksum = 0;
  uint16_t urgent = 0;
  TcpOptions options;

  /// Nothing when the data offset is below 5 or beyond the bytes given, or the options cannot be read.
  static std::optional<Tcp> parse(Bytes bytes);
  uint32_t size() const { return kTcpSize + options.size(); }
  /// Writes size() bytes; `out` holds at least that many.
  void emit(MutableBytes out) const;
  bool operator==(const Tcp&) const = default;
};

/// Whether the flags make no sense together: none at all, or SYN with FIN or RST.
constexpr bool tcp_flags_nonsense(uint8_t flags) {
  return (flags & 0x3f) == 0 || (flags & (kSyn | kFin)) == (kSyn | kFin) || (flags & (kSyn | kRst)) == (kSyn | kRst);
}

}  // namespace flatproxy::wire
