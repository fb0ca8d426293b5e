#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "packet/segment.h"

namespace flatproxy {

/// When each target is next to be looked at: a heap, so that nobody is looked at before. A target that is set anew
/// leaves its old timer behind, which its stamp gives away when it comes up.
class ProbeTimers {
 public:
  struct Timer {
    Nanoseconds due;
    uint32_t target;
    uint32_t stamp;
  };

  void add(const Timer& timer) {
    heap_.push_back(timer);
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  Timer take() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Timer timer = heap_.back();
    heap_.pop_back();
    return timer;
  }
  Nanoseconds next() const { return heap_.empty() ? kNever : heap_.front().due; }

 private:
  static bool later(const Timer& a, const Timer& b) { return a.due > b.due; }
  std::vector<Timer> heap_;
};

}  // namespace flatproxy
