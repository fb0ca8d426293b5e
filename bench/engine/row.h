#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rig.h"

namespace flatproxy::bench {

constexpr double kDuration = 0.5;  ///< of a round, seconds

/// A figure, as all benchmarks write it.
struct Row {
  std::string name;
  std::string unit;
  bool more_is_better;
  std::vector<double> rounds;
  std::vector<double> floors;
};
void print(const Row& row);

/// CLOCK_MONOTONIC.
double seconds();
uint64_t resident_bytes();
/// A void run: says where the packets went.
[[noreturn]] void fail(Rig& rig, const char* what, uint64_t expected, uint64_t got);

}  // namespace flatproxy::bench
