#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "wire/bytes.h"

namespace flatproxy::wire {

/// The UDP destination port of RoCEv2 (InfiniBand specification, annex A17).
constexpr uint16_t kRocePort = 4791;
constexpr uint32_t kBthSize = 12, kRdethSize = 4, kAethSize = 4;
/// Bits of queue pair numbers and of packet sequence numbers.
constexpr uint32_t kRoceNumberMask = 0xffffff;

/// What a RoCE packet is part of, by its opcode.
enum class RoceClass : uint8_t {
  send,
  write,
  read,    ///< requests and responses
  atomic,  ///< requests and their acknowledges
  ack,     ///< acknowledges, NAKs among them
  cnp,     ///< congestion notifications
  other,   ///< opcodes that are reserved, of a vendor, or that their transport does not have
};

constexpr size_t kRoceClasses = static_cast<size_t>(RoceClass::other) + 1;

/// Whether `bytes`, a UDP payload, begins with a base transport header: of version 0, the only one there is.
inline bool has_bth(Bytes bytes) { return bytes.size() >= kBthSize && (bytes[1] & 15) == 0; }

/// Base transport header (InfiniBand specification, section 9.2).
struct Bth {
  uint8_t opcode = 0;  ///< transport in the 3 high bits, operation in the 5 low ones
  bool solicited = false;
  bool migrated = false;
  uint8_t pad_count = 0;  ///< bytes behind the payload that are none of it, 0 to 3
  uint16_t partition_key = 0;
  bool forward_congestion = false;
  bool backward_congestion = false;
  uint32_t destination_qp = 0;  ///< 24 bits
  bool ack_requested = false;
  uint32_t psn = 0;  ///< 24 bits

  /// Nothing if not has_bth().
  static std::optional<Bth> parse(Bytes bytes) {
    if (!has_bth(bytes)) return std::nullopt;
    return read(bytes.data());
  }
  /// The same of bytes that has_bth() has looked at.
  static Bth read(const uint8_t* p) {
    Bth bth;
    bth.opcode = p[0];
    bth.solicited = (p[1] & 0x80) != 0;
    bth.migrated = (p[1] & 0x40) != 0;
    bth.pad_count = p[1] >> 4 & 3;
    bth.partition_key = load16(p + 2);
    bth.forward_congestion = (p[4] & 0x80) != 0;
    bth.backward_congestion = (p[4] & 0x40) != 0;
    bth.destination_qp = load32(p + 4) & kRoceNumberMask;
    bth.ack_requested = (p[8] & 0x80) != 0;
    bth.psn = load32(p + 8) & kRoceNumberMask;
    return bth;
  }
  /// Writes kBthSize bytes; `out` holds at least that many.
  void emit(MutableBytes out) const;
  bool operator==(const Bth&) const = default;
};

/// Whose sequence numbers a packet counts on: those of its sender's requests or of the other side's, which it answers.
/// What repeats numbers by design, and unreliable transports, where nothing is sent again, count on none.
enum class RoceNumbers : uint8_t { none, requests, responses };

/// What is known of an opcode.
struct RoceOpcode {
  RoceClass kind = RoceClass::other;
  RoceNumbers numbers = RoceNumbers::none;
};
extern const std::array<RoceOpcode, 256> kRoceOpcodes;
inline RoceClass roce_class(uint8_t opcode) { return kRoceOpcodes[opcode].kind; }

/// Whether the packet, whose UDP payload `bytes` starts with `bth`, is an acknowledge that says NAK, "receiver not
/// ready" among them. False if its extended header is cut off.
bool is_roce_nak(const Bth& bth, Bytes bytes);

}  // namespace flatproxy::wire
