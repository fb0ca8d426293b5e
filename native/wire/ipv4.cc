#include "wire/ipv4.h"

#include "wire/checksum.h"

namespace flatproxy::wire {

std::optional<Ipv4> Ipv4::parse(Bytes bytes) {
  if (bytes.size() < kIpv4Size) return std::nullopt;
  const Ipv4View view{bytes.data()};
  const uint32_t header = view.header_length();
  if (view.version() != 4 || header < kIpv4Size || header > bytes.size()) return std::nullopt;
  if (view.total_length() < header || !sum_intact(sum_bytes(view.p, header))) return std::nullopt;
  Ipv4 value;
  value.traffic_class = view.traffic_class();
  value.total_length = view.total_length();
  value.identification = view.identification();
  value.dont_fragment = view.dont_fragment();
  value.more_fragments = view.more_fragments();
  value.fragment_offset = static_cast<uint16_t>(view.fragment_offset());
  value.ttl = view.ttl();
  value.protocol = view.protocol();
  value.source = view.source();
  value.destination = view.destination();
  value.options_length = static_cast<uint8_t>(header - kIpv4Size);
  std::memcpy(value.options.data(), view.p + kIpv4Size, value.options_length);
  return value;
}

void Ipv4::emit(MutableBytes out) const {
  uint8_t* p = out.data();
  const uint32_t first = (0x40u | size() / 4) << 24 | uint32_t{traffic_class} << 16 | total_length;
  const uint32_t second = uint32_t{identification} << 16 |
                          ((dont_fragment ? 0x4000u : 0) | (more_fragments ? 0x2000u : 0) | fragment_offset / 8u);
  const uint32_t third = uint32_t{ttl} << 24 | uint32_t{protocol} << 16;
  // Summed up out of registers: bytes just written in small pieces are slow to read in large ones.
  uint64_t sum = uint64_t{__builtin_bswap32(first)} + __builtin_bswap32(second) + __builtin_bswap32(third) +
                 source.v4() + destination.v4();
  if (options_length > 0) sum = sum_bytes(options.data(), options_length, sum);
  store32(p, first);
  store32(p + 4, second);
  store32(p + 8, third | finish(sum));
  std::memcpy(p + 12, source.v4_bytes(), 4);
  std::memcpy(p + 16, destination.v4_bytes(), 4);
  std::memcpy(p + kIpv4Size, options.data(), options_length);
}

bool ipv4_options_acceptable(Bytes options) {
  constexpr uint8_t kEnd = 0, kNop = 1, kLooseSourceRoute = 131, kStrictSourceRoute = 137;
  while (!options.empty()) {
    const uint8_t type = options[0];
    if (type == kEnd) return true;
    if (type == kLooseSourceRoute || type == kStrictSourceRoute) return false;
    size_t length = 1;
    if (type != kNop) {
      if (options.size() < 2) return false;
      length = options[1];
      if (length < 2 || length > options.size()) return false;
    }
    options = options.subspan(length);
  }
  return true;
}

}  // namespace flatproxy::wire
