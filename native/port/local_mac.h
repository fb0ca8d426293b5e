#pragma once

#include <string_view>

#include "wire/address.h"

namespace flatproxy {

/// A locally administered unicast address that depends on the name only: after a restart the neighbours' entries are
/// still right.
inline wire::Mac local_mac(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  wire::Mac mac;
  for (unsigned i = 0; i < 6; ++i) mac.bytes[i] = static_cast<uint8_t>(hash >> (8 * i + 16));
  mac.bytes[0] = static_cast<uint8_t>((mac.bytes[0] & 0xfcu) | 0x02u);
  return mac;
}

}  // namespace flatproxy
