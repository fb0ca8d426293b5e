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
