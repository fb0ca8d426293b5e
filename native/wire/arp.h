#pragma once

#include <optional>

#include "wire/address.h"
#include "wire/bytes.h"

namespace flatproxy::wire {

/// Bytes of an ARP packet for IPv4 over Ethernet.
constexpr uint32_t kArpSize = 28;

/// ARP for IPv4 over Ethernet (RFC 826).
struct Arp {
  static constexpr uint16_t kRequest = 1;
  static constexpr uint16_t kReply = 2;

  uint16_t operation = kRequest;
  Mac sender_mac;
  Address sender;
  Mac target_mac;
  Address target;

  /// Nothing for other hardware or protocol types, and for other operations.
  static std::optional<Arp> parse(Bytes bytes);
  /// Writes kArpSize bytes; `out` holds at least that many.
  void emit(MutableBytes out) const;
  bool operator==(const Arp&) const = default;
};

}  // namespace flatproxy::wire
