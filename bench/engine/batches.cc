#include "batches.h"

#include "row.h"

namespace flatproxy::bench {

uint32_t settle(Rig& rig) {
  uint32_t came = 0;
  for (int i = 0; i < 3; ++i) {
    rig.pass();
    came += rig.drain();
  }
  return came;
}

double rate(Rig& rig, double duration, const std::function<void(uint64_t)>& batch) {
  uint64_t sent = 0;
  uint64_t came = 0;
  const double start = seconds();
  double now = start;
  do {
    for (int i = 0; i < 64; ++i) {
      batch(sent);
      sent += kBatch;
      came += rig.drain();
    }
    now = seconds();
  } while (now - start < duration);
  came += settle(rig);
  if (came != sent) fail(rig, "packets that came out", sent, came);
  return static_cast<double>(sent) / (now - start);
}

}  // namespace flatproxy::bench
