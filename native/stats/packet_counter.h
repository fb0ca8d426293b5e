#pragma once

#include "stats/counter.h"

namespace flatproxy {

struct PacketCounter {
  Counter packets;  ///< wire segments
  Counter bytes;    ///< of frames, unless it says otherwise
  void add(uint64_t n, uint64_t size) {
    packets.add(n);
    bytes.add(size);
  }
};

}  // namespace flatproxy
