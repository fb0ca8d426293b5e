#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "port/fd.h"

namespace flatproxy {

/// A non-persistent tap of the calling thread's network namespace: it goes with its descriptors, however the process
/// ends. Frames carry a 12-byte VnetHeader; checksum and TCP segmentation offload are on, so that they may be up to
/// 64 KB long. With several queues the kernel steers a flow to the queue that last sent a frame of its other direction,
/// and unknown flows by a symmetric hash.
struct TapDevice {
  std::string name;
  uint32_t index = 0;
  std::vector<Fd> queues;  ///< non-blocking

  /// @param name at most 15 characters; "%d" in it is replaced by the first free number
  /// @throws Error ERR_FLATPROXY_UNSUPPORTED (no tun module), _NOT_FOUND (no /dev/net/tun), _PERMISSION, _IN_USE (name)
  static TapDevice create(const std::string& name, unsigned queues);
};

}  // namespace flatproxy
