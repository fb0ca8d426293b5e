#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace flatproxy {

/// A bounded ring of pointers from one producer thread to one consumer thread, lock-free. Each side keeps a copy of the
/// other's index on a cache line of its own and reads the shared one only when the copy says full, or empty.
template <typename T>
class SpscRing {
 public:
  /// @param capacity how many pointers it holds, rounded up to a power of two; at least 2
  explicit SpscRing(size_t capacity)
      : mask_(std::bit_ceil(std::max<size_t>(capacity, 2)) - 1), slots_(std::make_unique<T*[]>(mask_ + 1)) {}
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  size_t capacity() const { return mask_ + 1; }

  /// Producer. How many more fit, at least; looks at the consumer's progress only when fewer than `wanted` seem to.
  size_t room(size_t wanted) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (capacity() - (tail - seen_head_) < wanted) seen_head_ = head_.load(std::memory_order_acquire);
    return capacity() - (tail - seen_head_);
  }

  /// Producer. Appends the first of n items that fit, in order; returns how many did.
  size_t push(T* const* items, size_t n) {
    n = std::min(n, room(n));
    const size_t tail = tail_.load(std::memory_order_relaxed);
    const size_t at = tail & mask_;
    const size_t first = std::min(n, capacity() - at);
    std::copy_n(items, first, &slots_[at]);
    std::copy_n(items + first, n - first, &slots_[0]);
    tail_.store(tail + n, std::memory_order_release);
    return n;
  }
  bool push(T* item) { return push(&item, 1) == 1; }

  /// Consumer. Takes up to n items, oldest first; returns how many there were.
  size_t pop(T** items, size_t n) {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (seen_tail_ - head < n) seen_tail_ = tail_.load(std::memory_order_acquire);
    n = std::min(n, seen_tail_ - head);
    const size_t at = head & mask_;
    const size_t first = std::min(n, capacity() - at);
    std::copy_n(&slots_[at], first, items);
    std::copy_n(&slots_[0], n - first, items + first);
    head_.store(head + n, std::memory_order_release);
    return n;
  }
  T* pop() {
    T* item = nullptr;
    return pop(&item, 1) == 1 ? item : nullptr;
  }

  /// Consumer: exact. Any other thread: what it was a moment ago.
  bool empty() const { return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire); }

 private:
  const size_t mask_;
  const std::unique_ptr<T*[]> slots_;
  alignas(64) std::atomic<size_t> tail_{0};  // producer's line
  size_t seen_head_ = 0;
  alignas(64) std::atomic<size_t> head_{0};  // consumer's line
  size_t seen_tail_ = 0;
};

}  // namespace flatproxy
