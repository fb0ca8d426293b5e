#pragma once

#include <atomic>
#include <cstdint>

namespace flatproxy {

/// A number that one thread counts up and any thread may read: no locked instruction, no torn value.
class Counter {
 public:
  void add(uint64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  uint64_t read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace flatproxy
