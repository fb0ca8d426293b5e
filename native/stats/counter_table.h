#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "conntrack/region.h"

namespace flatproxy {

/// Counters by id, which one thread makes as it first counts there, and any thread may read.
template <typename T>
class CounterTable {
 public:
  /// @param size ids are below it
  explicit CounterTable(uint32_t size) : found_(size) {}

  /// The counting thread.
  T& at(uint32_t id) {
    T* found = found_[id].load(std::memory_order_relaxed);
    return found != nullptr ? *found : make(id);
  }
  /// Any thread; nullptr: nothing was counted there.
  const T* find(uint32_t id) const { return found_[id].load(std::memory_order_acquire); }

 private:
  T& make(uint32_t id) {
    T& made = *owned_.emplace_back(std::make_unique<T>());
    found_[id].store(&made, std::memory_order_release);
    return made;
  }

  Region<std::atomic<T*>> found_;
  std::vector<std::unique_ptr<T>> owned_;
};

}  // namespace flatproxy
