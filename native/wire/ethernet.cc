#include "wire/ethernet.h"

namespace flatproxy::wire {

std::optional<Ethernet> Ethernet::parse(Bytes bytes) {
  if (bytes.size() < kEthernetSize) return std::nullopt;
  const uint8_t* p = bytes.data();
  Ethernet value{load_mac(p), load_mac(p + 6), std::nullopt, load16(p + 12)};
  if (value.ether_type != ether_type::kVlan) return value;
  if (bytes.size() < kEthernetSize + kVlanTagSize) return std::nullopt;
  value.vlan = VlanTag::from_control(load16(p + 14));
  value.ether_type = load16(p + 16);
  return value;
}

void Ethernet::emit(MutableBytes out) const {
  uint8_t* p = out.data();
  store_mac(p, destination);
  store_mac(p + 6, source);
  if (vlan) {
    store16(p + 12, ether_type::kVlan);
    store16(p + 14, vlan->control());
    p += kVlanTagSize;
  }
  store16(p + 12, ether_type);
}

}  // namespace flatproxy::wire
