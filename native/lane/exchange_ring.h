#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>

#include "conntrack/region.h"
#include "exchange/exchange_record.h"
#include "stats/counter.h"

namespace flatproxy {

/// Records of exchanges on their way from a lane to whoever writes them down. Bounded: when nobody takes them, new ones
/// are lost, and lost() says how many.
class ExchangeRing {
 public:
  static constexpr uint32_t kSize = 1u << 20;      // bytes
  static constexpr uint32_t kLongestText = 2'048;  // what is longer is cut

  /// The lane.
  void push(const ExchangeRecord& record);
  /// Calls take(const ExchangeRecord&) with the oldest one; its texts live as long as the call. One thread. False:
  /// there is none.
  template <typename Take>
  bool pop(Take&& take) {
    ExchangeRecord record;
    const uint32_t size = read(record);
    if (size == 0) return false;
    take(const_cast<const ExchangeRecord&>(record));
    head_.store(head_.load(std::memory_order_relaxed) + size, std::memory_order_release);
    return true;
  }
  /// Those that were for the access log.
  uint64_t lost_logged() const { return lost_logged_.read(); }
  uint64_t lost() const { return lost_.read(); }

 private:
  /// What stands in front of each record.
  struct Entry {
    uint32_t size;  // of all of it; the bytes up to the end of the ring, if it holds nothing
    uint32_t holds;
    ExchangeFacts facts;
    uint16_t lengths[kExchangeTexts];
  };

  std::byte* at(uint64_t place) { return bytes_.data() + place % kSize; }
  bool find_room(uint32_t size, uint64_t& tail);
  uint32_t read(ExchangeRecord& record);

  Region<std::byte> bytes_{kSize};
  alignas(64) std::atomic<uint64_t> tail_{0};
  Counter lost_;
  Counter lost_logged_;
  alignas(64) std::atomic<uint64_t> head_{0};
};

}  // namespace flatproxy
