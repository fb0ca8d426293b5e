#pragma once

#include <cstdint>
#include <memory>

namespace flatproxy::tcp {

/// A queue in an array that doubles when it is full. An element keeps its number, which wraps, until it is popped.
template <typename T>
class Ring {
 public:
  uint32_t begin() const { return begin_; }
  uint32_t end() const { return end_; }
  uint32_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  bool has(uint32_t number) const { return number - begin_ < size(); }

  T& operator[](uint32_t number) { return elements_[number & (capacity_ - 1)]; }
  const T& operator[](uint32_t number) const { return elements_[number & (capacity_ - 1)]; }
  T& front() { return (*this)[begin_]; }
  T& back() { return (*this)[end_ - 1]; }

  /// One more element, as it was left by whichever was there before, to be written where it stands.
  T& append() {
    if (size() == capacity_) grow();
    return (*this)[end_++];
  }
  void push(const T& element) { append() = element; }
  void pop() { ++begin_; }
  void clear() { begin_ = end_; }
  /// Empties it and begins to number anew, where the array's first lines are in the cache. Gives the array back if it
  /// has grown beyond so many.
  void reset(uint32_t most) {
    begin_ = end_ = 0;
    if (capacity_ <= most) return;
    elements_.reset();
    capacity_ = 0;
  }

 private:
  void grow() {
    const uint32_t capacity = capacity_ == 0 ? 8 : capacity_ * 2;
    auto elements = std::make_unique<T[]>(capacity);
    for (uint32_t i = begin_; i != end_; ++i) elements[i & (capacity - 1)] = (*this)[i];
    elements_ = std::move(elements);
    capacity_ = capacity;
  }

  std::unique_ptr<T[]> elements_;
  uint32_t capacity_ = 0;
  uint32_t begin_ = 0;
  uint32_t end_ = 0;
};

}  // namespace flatproxy::tcp
