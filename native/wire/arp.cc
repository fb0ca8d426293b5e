#include "wire/arp.h"

#include "wire/ethernet.h"

namespace flatproxy::wire {
namespace {

constexpr uint32_t kHardwareEthernet = 1;
constexpr uint32_t kTypes = kHardwareEthernet << 16 | ether_type::kIpv4;
constexpr uint16_t kLengths = 6 << 8 | 4;

}  // namespace

std::optional<Arp> Arp::parse(Bytes bytes) {
  if (bytes.size() < kArpSize) return std::nullopt;
  const uint8_t* p = bytes.data();
  if (load32(p) != kTypes || load16(p + 4) != kLengths) return std::nullopt;
  const uint16_t operation = load16(p + 6);
  if (operation != kRequest && operation != kReply) return std::nullopt;
  return Arp{operation, load_mac(p + 8), Address::from_v4(p + 14), load_mac(p + 18), Address::from_v4(p + 24)};
}

void Arp::emit(MutableBytes out) const {
  uint8_t* p = out.data();
  store32(p, kTypes);
  store16(p + 4, kLengths);
  store16(p + 6, operation);
  store_mac(p + 8, sender_mac);
  std::memcpy(p + 14, sender.v4_bytes(), 4);
  store_mac(p + 18, target_mac);
  std::memcpy(p + 24, target.v4_bytes(), 4);
}

}  // namespace flatproxy::wire
