#include "support/faulty_link.h"

#include <algorithm>

#include "wire/ethernet.h"

namespace flatproxy::test {

void FaultyLink::send(int to, std::vector<uint8_t> frame, Nanoseconds now) {
  ++packets_;
  if (frame.size() > faults.largest + wire::kEthernetSize) return;
  if (dice_.one_in_10000(faults.loss) || flying_.size() >= faults.queue) return;
  if (dice_.one_in_10000(faults.corruption)) {
    uint8_t& byte = frame[dice_.below(static_cast<uint32_t>(frame.size()))];
    byte = static_cast<uint8_t>(byte ^ 1 << dice_.below(8));
  }
  const bool twice = dice_.one_in_10000(faults.duplication);
  for (int i = 0; i <= twice; ++i) {
    Nanoseconds arrives = now + faults.delay + (faults.jitter != 0 ? dice_.next() % faults.jitter : 0);
    if (dice_.one_in_10000(faults.reordering)) arrives += faults.delay / 2 + 1;
    flying_.push_back({arrives, packets_ * 2 + static_cast<uint64_t>(i), to, frame});
    std::push_heap(flying_.begin(), flying_.end());
  }
}

bool FaultyLink::take(int to, Nanoseconds now, std::vector<uint8_t>& frame) {
  if (flying_.empty() || flying_.front().arrives > now || flying_.front().to != to) return false;
  std::pop_heap(flying_.begin(), flying_.end());
  frame = std::move(flying_.back().frame);
  flying_.pop_back();
  return true;
}

}  // namespace flatproxy::test
