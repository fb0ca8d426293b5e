#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "packet/reason.h"
#include "packet/segment.h"
#include "replay/flow_spool.h"

namespace flatproxy {

/// A capture whose packets come by a port.
struct ReplayInput {
  uint16_t port = 0;
  std::string path;  ///< or what messages call it
  int fd = -1;       ///< open already: a pipe, closed in the end, whatever comes; -1: the path is opened
};

/// A capture of what leaves by a port; pcapng where the path ends so, else pcap. It is there when the replay has
/// ended well, and is as it was before when it has not.
struct ReplayOutput {
  uint16_t port = 0;
  std::string path;
};

struct ReplayOptions {
  std::vector<ReplayInput> inputs;
  std::vector<ReplayOutput> outputs;
  uint64_t seed = 0;
  uint32_t flow_capacity = 262'144;
  bool fill_snapped = false;  ///< packets held only in part are filled with zeros, where their headers are there
};

/// What may be asked and told while a replay runs, by any thread.
struct ReplayProgress {
  std::atomic<bool> cancelled{false};
  std::atomic<uint64_t> packets{0};
  std::atomic<uint64_t> bytes{0};  ///< of the captures, read so far
};

struct ReplayCount {
  uint64_t packets = 0;
  uint64_t flows = 0;
};

/// What a replay came to. Packets are wire segments.
struct ReplayResult {
  uint64_t packets = 0;
  uint64_t snapped = 0;  ///< packets that were filled
  std::array<uint64_t, kReasons> reasons{};
  std::vector<ReplayCount> policies;  ///< by place: flows that one allows or refuses; of one that logs those it matches
  std::shared_ptr<FlowSpool> flows;   ///< in the order in which they ended
  Nanoseconds first = 0;              ///< times of the first and the last packet
  Nanoseconds last = 0;
};

/// Carries captures through a lane of its own, under a whole plan, in the order of their packets' times, which is all
/// the time there is. No port is opened; whoever is sent to is there, and answers nothing. The same seed gives the same
/// result. Blocks. Throws Error: as build_snapshot(); ERR_FLATPROXY_FILE, ERR_FLATPROXY_CAPTURE for the captures;
/// ERR_FLATPROXY_RESOURCE, fragments hold all buffers; ERR_FLATPROXY_CANCELLED.
ReplayResult replay(std::string_view plan, const ReplayOptions& options, ReplayProgress& progress);

}  // namespace flatproxy
