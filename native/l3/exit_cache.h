#pragma once

#include <array>
#include <cstdint>

#include "wire/address.h"

namespace flatproxy {

/// What was decided for the destinations of late: routing and neighbour lookup in one comparison. Entries of another
/// epoch do not count, so nothing ever needs to be taken out.
class ExitCache {
 public:
  static constexpr uint32_t kEntries = 1024;

  struct Entry {
    wire::Address destination;
    uint32_t epoch = 0;
    uint16_t exit = 0;
  };

  /// The entry that may hold the destination: look whether it does.
  Entry& at(const wire::Address& destination) {
    uint64_t high;
    uint64_t low;
    std::memcpy(&high, destination.bytes.data(), 8);
    std::memcpy(&low, &destination.bytes[8], 8);
    return entries_[((high ^ low) * 0x9e3779b97f4a7c15u) >> 54];
  }
  static_assert(kEntries == 1u << (64 - 54));

 private:
  std::array<Entry, kEntries> entries_{};
};

}  // namespace flatproxy
