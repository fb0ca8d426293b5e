#include "wire/udp.h"

namespace flatproxy::wire {

std::optional<Udp> Udp::parse(Bytes bytes) {
  if (bytes.size() < kUdpSize) return std::nullopt;
  const uint8_t* p = bytes.data();
  if (load16(p + 4) < kUdpSize) return std::nullopt;
  return Udp{load16(p), load16(p + 2), load16(p + 4), load16(p + 6)};
}

void Udp::emit(MutableBytes out) const {
  uint8_t* p = out.data();
  store16(p, source_port);
  store16(p + 2, destination_port);
  store16(p + 4, length);
  store16(p + 6, checksum);
}

}  // namespace flatproxy::wire
