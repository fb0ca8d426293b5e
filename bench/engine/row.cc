#include "row.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "packet/reason.h"

namespace flatproxy::bench {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

void print(const Row& row) {
  std::printf(R"({"name":"%s","value":%.6g,"unit":"%s","better":"%s","rounds":[)", row.name.c_str(), median(row.rounds),
              row.unit.c_str(), row.more_is_better ? "more" : "less");
  for (size_t i = 0; i < row.rounds.size(); ++i) std::printf("%s%.6g", i == 0 ? "" : ",", row.rounds[i]);
  std::printf("]");
  if (!row.floors.empty()) std::printf(R"(,"floor":%.6g)", median(row.floors));
  std::printf("}\n");
  std::fflush(stdout);
}

double seconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

uint64_t resident_bytes() {
  std::FILE* statm = std::fopen("/proc/self/statm", "r");
  unsigned long long pages = 0;
  const int read = statm != nullptr ? std::fscanf(statm, "%*u %llu", &pages) : 0;
  if (statm != nullptr) std::fclose(statm);
  return read == 1 ? pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

/// A void run: says where the packets went.
[[noreturn]] void fail(Rig& rig, const char* what, uint64_t expected, uint64_t got) {
  std::fprintf(stderr, "engine_bench: %s: %llu expected, %llu found\n", what, static_cast<unsigned long long>(expected),
               static_cast<unsigned long long>(got));
  for (size_t r = 0; r < kReasons; ++r) {
    const uint64_t packets = rig.lane().counters().reasons[r].packets.read();
    const char* name = info(static_cast<Reason>(r)).name.data();
    if (packets != 0) std::fprintf(stderr, "  %s %llu\n", name, static_cast<unsigned long long>(packets));
  }
  std::exit(1);
}

}  // namespace flatproxy::bench
