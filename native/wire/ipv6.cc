#include "wire/ipv6.h"

#include "wire/protocol.h"

namespace flatproxy::wire {
namespace {

bool is_extension(uint8_t header) {
  switch (header) {
    case protocol::kHopByHop:
    case protocol::kRouting:
    case protocol::kFragment:
    case protocol::kAuthentication:
    case protocol::kDestinationOptions:
      return true;
    default:
      return false;
  }
}

// RFC 8200 section 4.2. A jumbo payload never comes with a length that fits.
bool hop_by_hop_valid(Bytes options) {
  constexpr uint8_t kPad1 = 0, kJumboPayload = 0xc2;
  while (!options.empty()) {
    size_t length = 1;
    if (options[0] == kJumboPayload) return false;
    if (options[0] != kPad1) {
      if (options.size() < 2) return false;
      length = 2u + options[1];
      if (length > options.size()) return false;
    }
    options = options.subspan(length);
  }
  return true;
}

size_t extension_size(uint8_t header, const uint8_t* p) {
  if (header == protocol::kFragment) return kIpv6FragmentSize;
  return header == protocol::kAuthentication ? (p[1] + 2u) * 4 : (p[1] + 1u) * 8;
}

bool extension_valid(uint8_t header, Bytes content, const Extensions& so_far) {
  switch (header) {
    case protocol::kHopByHop:
      return so_far.length == 0 && hop_by_hop_valid(content.subspan(2));
    case protocol::kRouting:
      return content[2] != 0;
    case protocol::kFragment:
      return !so_far.has_fragment;
    default:
      return true;
  }
}

}  // namespace

std::optional<Ipv6> Ipv6::parse(Bytes bytes) {
  if (bytes.size() < kIpv6Size) return std::nullopt;
  const Ipv6View view{bytes.data()};
  if (view.version() != 6) return std::nullopt;
  return Ipv6{view.traffic_class(), view.flow_label(), view.payload_length(), view.next_header(),
              view.hop_limit(),     view.source(),     view.destination()};
}

void Ipv6::emit(MutableBytes out) const {
  uint8_t* p = out.data();
  store32(p, 6u << 28 | uint32_t{traffic_class} << 20 | (flow_label & 0xfffff));
  store16(p + 4, payload_length);
  p[6] = next_header;
  p[7] = hop_limit;
  std::memcpy(p + 8, source.bytes.data(), 16);
  std::memcpy(p + 24, destination.bytes.data(), 16);
}

std::optional<Ipv6Fragment> Ipv6Fragment::parse(Bytes bytes) {
  if (bytes.size() < kIpv6FragmentSize) return std::nullopt;
  const uint16_t field = load16(&bytes[2]);
  return Ipv6Fragment{bytes[0], static_cast<uint16_t>(field & 0xfff8), (field & 1) != 0, load32(&bytes[4])};
}

void Ipv6Fragment::emit(MutableBytes out) const {
  out[0] = next_header;
  out[1] = 0;
  store16(&out[2], static_cast<uint16_t>((offset & 0xfff8) | (more ? 1 : 0)));
  store32(&out[4], identification);
}

Extensions walk_extensions(uint8_t next_header, Bytes bytes) {
  Extensions found;
  found.protocol = next_header;
  for (uint32_t headers = 0; is_extension(found.protocol); ++headers) {
    const Bytes rest = bytes.subspan(found.length);
    found.error = ExtensionError::truncated;
    if (rest.size() < 8) return found;
    const size_t size = extension_size(found.protocol, rest.data());
    if (headers == kMaxExtensionHeaders || found.length + size > kMaxExtensionBytes) {
      found.error = ExtensionError::invalid;
      return found;
    }
    if (rest.size() < size) return found;
    if (!extension_valid(found.protocol, rest.first(size), found)) {
      found.error = ExtensionError::invalid;
      return found;
    }
    if (found.protocol == protocol::kFragment) {
      found.has_fragment = true;
      found.fragment = *Ipv6Fragment::parse(rest);
    }
    found.error = ExtensionError::none;
    found.protocol = rest[0];
    found.length += static_cast<uint32_t>(size);
    if (found.has_fragment && found.fragment.offset != 0) break;
  }
  return found;
}

}  // namespace flatproxy::wire
