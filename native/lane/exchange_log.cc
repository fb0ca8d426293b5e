#include "lane/exchange_log.h"

namespace flatproxy {
namespace {

bool went_well(http::Outcome outcome, uint16_t status) {
  return status < 500 && (outcome == http::Outcome::completed || outcome == http::Outcome::answered);
}

}  // namespace

/// What goes wrong is rare, and what one looks for: it is always told.
bool ExchangeLog::is_drawn(http::Outcome outcome, uint16_t status) {
  const double share = snapshot_->access_log->sample;
  if (share >= 1 || !went_well(outcome, status)) return true;
  drawn_ = drawn_ * 6364136223846793005u + 1442695040888963407u;
  return static_cast<double>(drawn_ >> 11) * 0x1p-53 < share;
}

void ExchangeLog::take(ExchangeRecord& record) {
  const Listener* listener = snapshot_->listeners->at(record.listener_id);
  if (listener != nullptr) record.text(ExchangeText::listener) = listener->name;
  record.logged = logged_;
  ring_.push(record);
  shared_.exchanges_told.notify();
}

}  // namespace flatproxy
