#pragma once

#include <cstdint>
#include <optional>

#include "wire/bytes.h"

namespace flatproxy::wire {

/// The UDP destination port of RoCEv2 (InfiniBand specification, annex A17).
constexpr uint16_t kRocePort = 4791;
constexpr uint32_t kBthSize = 12, kAethSize = 4;
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

  /// Nothing if `bytes`, a UDP payload, is too short, or of another version than 0, the only one there is.
  static std::optional<Bth> parse(Bytes bytes);
  /// Writes kBthSize bytes; `out` holds at least that many.
  void emit(MutableBytes out) const;
  bool operator==(const Bth&) const = default;
};

RoceClass roce_class(uint8_t opcode);

/// Whether the packet, whose UDP payload `bytes` starts with `bth`, is an acknowledge that says NAK, "receiver not
/// ready" among them. False if its extended header is cut off.
bool is_roce_nak(const Bth& bth, Bytes bytes);

}  // namespace flatproxy::wire
