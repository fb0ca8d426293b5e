#pragma once

#include <array>
#include <cstdint>

#include "wire/roce.h"

namespace flatproxy {

/// What is counted of a flow.
struct RoceCounts {
  struct Class {
    uint64_t packets = 0;
    uint64_t bytes = 0;  ///< of IP packets
  };
  std::array<Class, wire::kRoceClasses> classes;
  uint64_t retransmitted = 0;  ///< packets whose sequence number had been sent before
  uint64_t naks = 0;

  Class& of(wire::RoceClass kind) { return classes[static_cast<size_t>(kind)]; }
};

}  // namespace flatproxy
