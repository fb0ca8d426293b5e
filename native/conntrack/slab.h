#pragma once

#include <cstdint>
#include <new>
#include <vector>

#include "conntrack/region.h"

namespace flatproxy {

/// Room for so many objects, known by their index, which they keep as `index`. Memory is touched as it is first used.
template <typename T>
class Slab {
 public:
  static constexpr uint32_t kNone = ~0u;

  explicit Slab(uint32_t capacity)
      : capacity_(capacity), memory_(size_t{capacity} * sizeof(T)), items_(reinterpret_cast<T*>(memory_.data())) {}

  /// A new object, or nullptr: there is no room.
  T* make() {
    uint32_t index = fresh_;
    if (!free_.empty()) {
      index = free_.back();
      free_.pop_back();
    } else if (fresh_ == capacity_) {
      return nullptr;
    } else {
      ++fresh_;
      live_.push_back(false);
    }
    live_[index] = true;
    T* item = new (&items_[index]) T;
    item->index = index;
    return item;
  }
  void destroy(T& item) {
    const uint32_t index = item.index;
    item.~T();
    live_[index] = false;
    free_.push_back(index);
  }
  /// Whether there is an object with this index.
  bool holds(uint32_t index) const { return index < fresh_ && live_[index]; }
  bool full() const { return free_.empty() && fresh_ == capacity_; }
  uint32_t count() const { return fresh_ - static_cast<uint32_t>(free_.size()); }
  /// Indexes are below it.
  uint32_t limit() const { return fresh_; }
  T* items() const { return items_; }
  T& operator[](uint32_t index) const { return items_[index]; }

 private:
  uint32_t capacity_;
  uint32_t fresh_ = 0;
  std::vector<uint32_t> free_;
  std::vector<bool> live_;
  Region<std::byte> memory_;
  T* items_;
};

}  // namespace flatproxy
