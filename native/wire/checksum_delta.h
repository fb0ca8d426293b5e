#pragma once

#include <cstdint>
#include <cstring>

namespace flatproxy::wire {

/// What a rewrite changes in a one's complement sum (RFC 1624, equation 3). Collected once from old and new bytes,
/// applied to each checksum that covers them. Bytes are taken as they lie in memory: the sum does not depend on the
/// byte order as long as one is kept.
class ChecksumDelta {
 public:
  /// @param size bytes, even
  void replace(const void* old_bytes, const void* new_bytes, unsigned size) {
    const auto* a = static_cast<const uint8_t*>(old_bytes);
    const auto* b = static_cast<const uint8_t*>(new_bytes);
    for (unsigned i = 0; i < size; i += 2) {
      uint16_t from;
      uint16_t to;
      std::memcpy(&from, a + i, 2);
      std::memcpy(&to, b + i, 2);
      sum_ += static_cast<uint16_t>(~from);
      sum_ += to;
    }
  }
  /// A word of 32 bits, as it lies in memory.
  void replace32(uint32_t from, uint32_t to) { sum_ += uint64_t{static_cast<uint32_t>(~from)} + to; }
  void replace(uint16_t from, uint16_t to) { sum_ += uint32_t{static_cast<uint16_t>(~from)} + to; }
  void add(const ChecksumDelta& other) { sum_ += other.sum_; }

  /// A checksum over data that are not all zero: the result is what a full computation would give.
  uint16_t applied_to(uint16_t checksum) const {
    const auto result = static_cast<uint16_t>(~fold(uint64_t{static_cast<uint16_t>(~checksum)} + sum_));
    return result == 0xffff ? 0 : result;
  }
  /// The sum that stands in a checksum field which a device is still to complete: not inverted.
  uint16_t applied_to_partial(uint16_t sum) const { return fold(uint64_t{sum} + sum_); }

 private:
  static uint16_t fold(uint64_t sum) {
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum);
  }
  uint64_t sum_ = 0;
};

}  // namespace flatproxy::wire
