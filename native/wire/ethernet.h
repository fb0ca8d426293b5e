#pragma once

#include <optional>

#include "wire/address.h"
#include "wire/bytes.h"
#include "wire/protocol.h"

namespace flatproxy::wire {

constexpr uint32_t kEthernetSize = 14;
constexpr uint32_t kVlanTagSize = 4;

inline Mac load_mac(const uint8_t* p) {
  Mac mac;
  std::memcpy(mac.bytes.data(), p, 6);
  return mac;
}
inline void store_mac(uint8_t* p, const Mac& mac) { std::memcpy(p, mac.bytes.data(), 6); }

/// An IEEE 802.1Q tag.
struct VlanTag {
  uint16_t id = 0;  ///< 0..4095; 0: priority only, 4095: reserved
  uint8_t priority = 0;
  bool drop_eligible = false;

  static VlanTag from_control(uint16_t control) {
    return {static_cast<uint16_t>(control & 0xfff), static_cast<uint8_t>(control >> 13), (control & 0x1000) != 0};
  }
  uint16_t control() const {
    return static_cast<uint16_t>(priority << 13 | (drop_eligible ? 0x1000 : 0) | (id & 0xfff));
  }
  bool operator==(const VlanTag&) const = default;
};

/// An Ethernet II header with at most one 802.1Q tag.
struct Ethernet {
  Mac destination;
  Mac source;
  std::optional<VlanTag> vlan;
  uint16_t ether_type = 0;  ///< after the tag

  static std::optional<Ethernet> parse(Bytes bytes);
  uint32_t size() const { return kEthernetSize + (vlan ? kVlanTagSize : 0); }
  /// Writes size() bytes; `out` holds at least that many.
  void emit(MutableBytes out) const;
  bool operator==(const Ethernet&) const = default;
};

}  // namespace flatproxy::wire
