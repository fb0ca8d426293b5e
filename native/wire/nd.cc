#include "wire/nd.h"

#include "wire/ethernet.h"
#include "wire/icmp.h"

namespace flatproxy::wire {
namespace {

uint8_t option_type(uint8_t message) { return message == icmp6::kNeighborSolicitation ? 1 : 2; }

bool read_options(Bytes options, NeighborDiscovery& into) {
  while (!options.empty()) {
    if (options.size() < 8) return false;
    const size_t length = size_t{options[1]} * 8;
    if (length == 0 || length > options.size()) return false;
    if (options[0] == option_type(into.type)) {
      if (length != NeighborDiscovery::kOptionSize) return false;  // not Ethernet's
      into.link_layer = load_mac(&options[2]);
    }
    options = options.subspan(length);
  }
  return true;
}

}  // namespace

std::optional<NeighborDiscovery> NeighborDiscovery::parse(Bytes bytes) {
  if (bytes.size() < kSize || bytes[1] != 0) return std::nullopt;
  const uint8_t type = bytes[0];
  if (type != icmp6::kNeighborSolicitation && type != icmp6::kNeighborAdvertisement) return std::nullopt;
  NeighborDiscovery value;
  value.type = type;
  if (type == icmp6::kNeighborAdvertisement) {
    value.router = (bytes[4] & 0x80) != 0;
    value.solicited = (bytes[4] & 0x40) != 0;
    value.override_known = (bytes[4] & 0x20) != 0;
  }
  value.target = Address::from_v6(&bytes[8]);
  if (!read_options(bytes.subspan(kSize), value)) return std::nullopt;
  return value;
}

void NeighborDiscovery::emit(MutableBytes out) const {
  uint8_t* p = out.data();
  std::memset(p, 0, kSize);
  p[0] = type;
  p[4] = static_cast<uint8_t>((router ? 0x80 : 0) | (solicited ? 0x40 : 0) | (override_known ? 0x20 : 0));
  std::memcpy(p + 8, target.bytes.data(), 16);
  if (!link_layer) return;
  p[kSize] = option_type(type);
  p[kSize + 1] = 1;
  store_mac(p + kSize + 2, *link_layer);
}

Address solicited_node(const Address& target) {
  Address group;
  constexpr uint8_t kPrefix[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  std::memcpy(group.bytes.data(), kPrefix, sizeof kPrefix);
  std::memcpy(&group.bytes[13], &target.bytes[13], 3);
  return group;
}

Mac multicast_mac(const Address& group) {
  Mac mac{{0x33, 0x33}};
  std::memcpy(&mac.bytes[2], &group.bytes[12], 4);
  return mac;
}

}  // namespace flatproxy::wire
