#include "log/log_writer.h"

#include <time.h>

#include <algorithm>
#include <utility>

namespace flatproxy {
namespace {

Nanoseconds read(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<Nanoseconds>(t.tv_sec) * 1'000'000'000 + static_cast<Nanoseconds>(t.tv_nsec);
}

}  // namespace

void LogWriter::set(std::unique_ptr<LogTarget> target) {
  const std::lock_guard lock(mutex_);
  target_.swap(target);
}

void LogWriter::reopen() {
  const std::lock_guard lock(mutex_);
  if (target_ != nullptr) target_->file.reopen();
}

void LogWriter::listen(bool wanted) {
  const std::lock_guard lock(mutex_);
  if (wanted == wanted_) return;
  wanted_ = wanted;
  lost_mark_ = lost_by_lanes(&ExchangeRing::lost) - lost_mark_;
  heard_.clear();
  heard_count_ = 0;
}

LogWriter::Heard LogWriter::take_heard() {
  const std::lock_guard lock(mutex_);
  heard_count_ = 0;
  const uint64_t by_lanes = wanted_ ? lost_by_lanes(&ExchangeRing::lost) - lost_mark_ : lost_mark_;
  return {std::exchange(heard_, {}), heard_lost_ + by_lanes};
}

bool LogWriter::has_heard() const {
  const std::lock_guard lock(mutex_);
  return heard_count_ > 0;
}

LogWriter::Totals LogWriter::totals() const {
  const std::lock_guard lock(mutex_);
  Totals totals = totals_;
  totals.lost += lost_by_lanes(&ExchangeRing::lost_logged);
  return totals;
}

uint64_t LogWriter::lost_by_lanes(uint64_t (ExchangeRing::*which)() const) const {
  uint64_t lost = 0;
  for (const ExchangeRing* ring : rings_) lost += (ring->*which)();
  return lost;
}

bool LogWriter::pass() {
  const std::lock_guard lock(mutex_);
  const Nanoseconds to_wall = read(CLOCK_REALTIME) - read(CLOCK_MONOTONIC);
  bool worked = false;
  std::string lines;
  for (ExchangeRing* ring : rings_) {
    while (lines.size() < kMostLines &&
           ring->pop([&](const ExchangeRecord& record) { take(record, to_wall, lines); })) {
      worked = true;
    }
  }
  write(lines);
  return worked;
}

void LogWriter::take(const ExchangeRecord& record, Nanoseconds to_wall, std::string& lines) {
  if (record.logged && target_ != nullptr) target_->format.write(record, to_wall, lines);
  if (!wanted_) return;
  if (heard_count_ == kMostHeard) {
    ++heard_lost_;
    return;
  }
  ++heard_count_;
  json_.write(record, to_wall, heard_);
}

void LogWriter::write(std::string& lines) {
  if (lines.empty()) return;
  const auto count = static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
  const uint64_t lost = target_->file.write(lines);
  totals_.written += count - lost;
  totals_.lost += lost;
}

}  // namespace flatproxy
