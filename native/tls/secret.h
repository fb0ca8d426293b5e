#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace flatproxy::tls {

/// Overwrites memory with zeros, in a way that no compiler takes for useless.
inline void wipe(void* memory, size_t bytes) {
  std::memset(memory, 0, bytes);
  asm volatile("" : : "r"(memory) : "memory");
}

/// Secret bytes of a known size: moved, never copied, and wiped where they have been.
template <size_t kSize>
class Secret {
 public:
  Secret() = default;
  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { other.clear(); }
  Secret& operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    bytes_ = other.bytes_;
    other.clear();
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { clear(); }

  uint8_t* data() { return bytes_.data(); }
  const uint8_t* data() const { return bytes_.data(); }
  static constexpr size_t size() { return kSize; }
  std::span<const uint8_t> first(size_t n) const { return std::span(bytes_).first(n); }
  void clear() { wipe(bytes_.data(), kSize); }

 private:
  std::array<uint8_t, kSize> bytes_{};
};

}  // namespace flatproxy::tls
