#pragma once

#include <array>
#include <cstdint>

#include "packet/tuple.h"
#include "tcp/secrets.h"

namespace flatproxy {

/// Source ports of connections to endpoints, as RFC 6056 section 3.3.4 draws them: hashed from both addresses and the
/// endpoint's port, then counted on, so that nobody outside can guess the next one and none is used again soon.
/// The range lies below the one that Linux takes client ports from (32768 to 60999), and that of the health probes:
/// where an interface shares its address with the kernel, neither side takes what the other one has.
class SourcePorts {
 public:
  static constexpr uint16_t kFirst = 1024, kLast = 32767;

  explicit SourcePorts(const tcp::SipKey& key) : key_(key) {}

  static bool holds(uint16_t port) { return port >= kFirst && port <= kLast; }

  /// Fills in the tuple's source port with the first one, of as many as are tried, that is_free(tuple) agrees to.
  template <typename IsFree>
  bool find(Tuple& tuple, uint32_t tries, IsFree&& is_free) {
    constexpr uint32_t kPorts = kLast - kFirst + 1u;
    tuple.source_port = 0;
    const uint64_t hash = tcp::siphash(tuple, 0, key_);
    uint32_t& count = counts_[(hash >> 32) % counts_.size()];
    for (; tries > 0; --tries) {
      tuple.source_port = static_cast<uint16_t>(kFirst + (static_cast<uint32_t>(hash) + count++) % kPorts);
      if (is_free(tuple)) return true;
    }
    return false;
  }

 private:
  tcp::SipKey key_;
  std::array<uint32_t, 1024> counts_{};
};

}  // namespace flatproxy
