#pragma once

#include <cstdint>

#include "exchange/exchange_record.h"
#include "port/record_ring.h"
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
    if (!read(record)) return false;
    take(const_cast<const ExchangeRecord&>(record));
    ring_.release();
    return true;
  }
  /// Those that were for the access log.
  uint64_t lost_logged() const { return lost_logged_.read(); }
  uint64_t lost() const { return lost_.read(); }

 private:
  /// What stands in front of a record's texts.
  struct Entry {
    ExchangeFacts facts;
    uint16_t lengths[kExchangeTexts];
  };
  bool read(ExchangeRecord& record);

  RecordRing ring_{kSize};
  Counter lost_;
  Counter lost_logged_;
};

}  // namespace flatproxy
