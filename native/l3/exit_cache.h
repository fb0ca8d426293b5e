#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "wire/address.h"

namespace flatproxy {

/// What was decided for the destinations of late: routing and neighbour lookup in one comparison. Entries of another
/// epoch do not count, so nothing ever needs to be taken out.
/// @tparam Key an IPv4 address as it lies in memory, or a wire::Address
template <typename Key>
class ExitCache {
 public:
  struct alignas(sizeof(Key) <= 8 ? 16 : 8) Entry {  // IPv4's: a power of two, found by a shift
    Key destination{};
    uint32_t epoch = 0;
    uint16_t exit = 0;
  };

  /// The entry that may hold the destination: look whether it does.
  Entry& at(const Key& destination) { return entries_[word_of(destination) * 0x9e3779b97f4a7c15u >> 54]; }

 private:
  static constexpr uint32_t kEntries = 1u << (64 - 54);

  static uint64_t word_of(uint32_t address) { return address; }
  static uint64_t word_of(const wire::Address& address) {
    uint64_t high;
    uint64_t low;
    std::memcpy(&high, address.bytes.data(), 8);
    std::memcpy(&low, &address.bytes[8], 8);
    return high ^ low;
  }

  std::array<Entry, kEntries> entries_{};
};

}  // namespace flatproxy
