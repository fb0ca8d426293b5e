#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "capture/packet_filter.h"
#include "config/snapshot.h"
#include "packet/reason.h"
#include "port/record_ring.h"
#include "stats/counter.h"

namespace flatproxy {

/// Which packets a capture takes, and how much of each.
struct CaptureOptions {
  static constexpr uint32_t kLongestSnap = 262'144;  ///< more than any frame has
  static constexpr uint32_t kAllVerdicts = ~0u;

  std::shared_ptr<const PacketFilter> filter;  ///< nullptr: all
  uint32_t verdicts = kAllVerdicts;            ///< bit n: those that end in Verdict n
  uint32_t snap_length = kLongestSnap;         ///< bytes of each packet, at most
  std::vector<std::string> ports;              ///< of these alone; empty: of all
  uint64_t limit = ~uint64_t{0};               ///< packets, at most

  /// Whether it is of a port, by its name.
  bool is_of(std::string_view port) const {
    return ports.empty() || std::find(ports.begin(), ports.end(), port) != ports.end();
  }
  bool wants(Verdict verdict) const { return (verdicts >> static_cast<unsigned>(verdict) & 1) != 0; }
};

/// What a lane gives to a capture: the lane writes, one thread reads. Bounded: a packet that finds no room is lost, and
/// counted.
struct CaptureFeed {
  static constexpr uint32_t kRingSize = 16u << 20;  // bytes
  /// By port id.
  struct PortCounts {
    Counter received;  ///< frames that came by it
    Counter accepted;  ///< those, and our own that left by it, which the filter takes
    Counter lost;      ///< of those
  };

  RecordRing ring{kRingSize};
  Counter lost;
  std::array<PortCounts, kPortIds> ports;

  void lose(uint16_t port) {
    lost.add(1);
    ports[port].lost.add(1);
  }
};

/// How a packet lies in a feed's ring: this, then the texts, then its bytes.
struct CaptureRecord {
  Nanoseconds time;   ///< since 1970
  uint64_t sequence;  ///< the lane's
  uint32_t captured;  ///< bytes that follow the texts
  uint32_t original;  ///< bytes of the whole frame
  uint16_t port;      ///< id
  Reason reason;
  bool outbound;         ///< one of our own
  uint8_t port_name;     ///< lengths of the texts, in this order
  uint8_t exit_name;     ///< empty: it left by no port
  uint16_t policy_name;  ///< empty: no policy ended it
};

/// A capture of a running engine, which all lanes know.
struct LiveCapture {
  /// @param clock the time since 1970 at which the lanes' clock was 0
  LiveCapture(CaptureOptions what, unsigned lanes, Nanoseconds clock)
      : options(std::move(what)), clock_offset(clock), feeds(lanes) {
    for (auto& feed : feeds) feed = std::make_unique<CaptureFeed>();
  }

  const CaptureOptions options;
  const Nanoseconds clock_offset;
  uint32_t number = 0;  ///< the engine's, from 1; fixed before any lane knows it
  std::vector<std::unique_ptr<CaptureFeed>> feeds;
};

}  // namespace flatproxy
