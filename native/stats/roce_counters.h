#pragma once

#include <array>

#include "stats/packet_counter.h"
#include "wire/roce.h"

namespace flatproxy {

/// What a lane counts of RoCEv2.
struct RoceCounters {
  std::array<PacketCounter, wire::kRoceClasses> classes;  ///< bytes of IP packets
  Counter retransmitted;
  Counter naks;
  Counter flows;
  Counter evicted;
};

}  // namespace flatproxy
