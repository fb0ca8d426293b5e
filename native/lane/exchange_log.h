#pragma once

#include <cstdint>

#include "config/snapshot.h"
#include "exchange/exchange_record.h"
#include "lane/exchange_ring.h"
#include "lane/shared.h"

namespace flatproxy {

/// Which of a lane's exchanges are told, to the access log and to whoever listens.
class ExchangeLog : public ExchangeSink {
 public:
  explicit ExchangeLog(LaneShared& shared) : shared_(shared), drawn_(shared.random()) {}

  void adopt(const Snapshot& snapshot) { snapshot_ = &snapshot; }
  bool wants(http::Outcome outcome, uint16_t status) override {
    logged_ = snapshot_->access_log != nullptr && is_drawn(outcome, status);
    return logged_ || shared_.want_exchanges.load(std::memory_order_relaxed);
  }
  void take(ExchangeRecord& record) override;
  ExchangeRing& ring() { return ring_; }

 private:
  bool is_drawn(http::Outcome outcome, uint16_t status);

  LaneShared& shared_;
  const Snapshot* snapshot_ = nullptr;
  uint64_t drawn_;  // of a sequence that looks random
  bool logged_ = false;
  ExchangeRing ring_;
};

}  // namespace flatproxy
