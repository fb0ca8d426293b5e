#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <utility>

namespace flatproxy {

/// A zeroed array in memory of its own, outside every heap: huge pages where there are any, committed as it is touched.
template <typename T>
class Region {
 public:
  explicit Region(size_t count) : bytes_(count * sizeof(T)) {
    if (bytes_ == 0) return;
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    madvise(memory, bytes_, MADV_HUGEPAGE);
    data_ = static_cast<T*>(memory);
  }
  ~Region() {
    if (data_ != nullptr) munmap(data_, bytes_);
  }
  Region(Region&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  Region& operator=(Region&&) = delete;

  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* data() { return data_; }
  const T* data() const { return data_; }

 private:
  T* data_ = nullptr;
  size_t bytes_;
};

}  // namespace flatproxy
