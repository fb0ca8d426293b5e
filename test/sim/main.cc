// Whole engines in virtual time, a run for each seed and kind:
//   sim [--kind tcp|http] [--seed N] [--runs M] [--trace FOLDER]
// Without a kind each seed is run as both. A seed that fails is run again, the same to the last frame, with its frames
// written to FOLDER/KIND-seed-N.pcapng.
// Prints as its last line how many runs passed and failed; exit code 1 when one failed.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "http_simulation.h"
#include "packet/frame.h"
#include "port/pcap_writer.h"
#include "tcp_simulation.h"

namespace {

using namespace flatproxy;

struct Options {
  uint64_t seed = 1;
  uint64_t runs = 1;
  std::string folder = ".";
  std::string kind;
};

std::unique_ptr<sim::Simulation> make(const std::string& kind, uint64_t seed, sim::Trace trace = {}) {
  if (kind == "http") return std::make_unique<sim::HttpSimulation>(seed, std::move(trace));
  return std::make_unique<sim::TcpSimulation>(seed, std::move(trace));
}

void replay(const std::string& kind, uint64_t seed, const std::string& folder) {
  const std::string path = folder + "/" + kind + "-seed-" + std::to_string(seed) + ".pcapng";
  CaptureWriter capture(path);
  make(kind, seed, [&](const Segment* frame, Nanoseconds time) { capture.write(frame, time); })->run();
  capture.flush();
  std::printf("  its frames: %s\n", path.c_str());
}

/// Returns how many runs of a kind have failed.
uint64_t run_all(const std::string& kind, const Options& options) {
  uint64_t failed = 0;
  for (uint64_t seed = options.seed; seed < options.seed + options.runs; ++seed) {
    const auto simulation = make(kind, seed);
    const auto problem = simulation->run();
    if (!problem) continue;
    ++failed;
    std::printf("%s seed %llu: %s\n  %s\n", kind.c_str(), static_cast<unsigned long long>(seed),
                simulation->describe().c_str(), problem->c_str());
    replay(kind, seed, options.folder);
    std::fflush(stdout);
  }
  return failed;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--seed") == 0) options.seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--runs") == 0) options.runs = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--trace") == 0) options.folder = argv[i + 1];
    if (std::strcmp(argv[i], "--kind") == 0) options.kind = argv[i + 1];
  }
  uint64_t runs = 0;
  uint64_t failed = 0;
  for (const std::string kind : {"tcp", "http"}) {
    if (!options.kind.empty() && options.kind != kind) continue;
    runs += options.runs;
    failed += run_all(kind, options);
  }
  std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(runs - failed),
              static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}
