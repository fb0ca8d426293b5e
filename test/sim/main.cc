// Whole engines in virtual time, a run for each seed:
//   sim [--seed N] [--runs M] [--trace FOLDER]
// A seed that fails is run again, the same to the last frame, with its frames written to FOLDER/seed-N.pcapng.
// Prints as its last line how many runs passed and failed; exit code 1 when one failed.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "packet/frame.h"
#include "port/pcap_writer.h"
#include "simulation.h"

namespace {

using namespace flatproxy;

void replay(uint64_t seed, const std::string& folder) {
  const std::string path = folder + "/seed-" + std::to_string(seed) + ".pcapng";
  CaptureWriter capture(path);
  sim::Simulation again(seed, [&](const Segment* frame, Nanoseconds time) { capture.write(frame, time); });
  again.run();
  capture.flush();
  std::printf("  its frames: %s\n", path.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t seed = 1;
  uint64_t runs = 1;
  std::string folder = ".";
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--seed") == 0) seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--runs") == 0) runs = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--trace") == 0) folder = argv[i + 1];
  }
  uint64_t failed = 0;
  for (uint64_t run = 0; run < runs; ++run) {
    sim::Simulation simulation(seed + run);
    const auto problem = simulation.run();
    if (!problem) continue;
    ++failed;
    std::printf("%s\n  %s\n", simulation.describe().c_str(), problem->c_str());
    replay(seed + run, folder);
    std::fflush(stdout);
  }
  std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(runs - failed),
              static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}
