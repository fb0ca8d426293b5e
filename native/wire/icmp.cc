#include "wire/icmp.h"

namespace flatproxy::wire {

std::optional<Icmp> Icmp::parse(Bytes bytes) {
  if (bytes.size() < kIcmpSize) return std::nullopt;
  return Icmp{bytes[0], bytes[1], load16(&bytes[2]), load32(&bytes[4])};
}

void Icmp::emit(MutableBytes out) const {
  out[0] = type;
  out[1] = code;
  store16(&out[2], checksum);
  store32(&out[4], rest);
}

}  // namespace flatproxy::wire
