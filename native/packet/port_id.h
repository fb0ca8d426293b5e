#pragma once

#include <cstdint>

namespace flatproxy {

/// Limit that port ids rest on; the mesh's checker enforces it with a problem that names it.
constexpr uint32_t kMaxPorts = 256;
/// The node's own stack behind port i has the id i + kMaxPorts.
constexpr uint32_t kPortIds = 2 * kMaxPorts;
constexpr uint16_t host_side(uint16_t port) { return static_cast<uint16_t>(port + kMaxPorts); }
constexpr bool is_host_side(uint16_t port) { return port >= kMaxPorts; }
constexpr uint16_t kNoPort = 0xffff;

}  // namespace flatproxy
