#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "config/access_log.h"
#include "lane/exchange_ring.h"
#include "log/log_file.h"
#include "log/log_format.h"

namespace flatproxy {

/// Where the access log goes: a file that is open, and how its lines look.
struct LogTarget {
  /// Throws what LogFile and LogFormat throw.
  explicit LogTarget(const AccessLogSettings& settings) : file(settings.file), format(settings.format) {}
  LogFile file;
  LogFormat format;
};

/// Takes what lanes tell of exchanges, writes the access log, and keeps lines for whoever listens, bounded.
class LogWriter {
 public:
  /// What a listener gets.
  struct Heard {
    std::string lines;  ///< JSON, a line for each exchange
    uint64_t lost = 0;  ///< exchanges since the start that found no room
  };
  struct Totals {
    uint64_t written = 0;  ///< lines of the access log
    uint64_t lost = 0;     ///< that it should have had, too
  };

  /// @param rings of all lanes; they outlive the writer
  explicit LogWriter(std::vector<ExchangeRing*> rings) : rings_(std::move(rings)) {}

  // Any thread:
  /// nullptr: there is no access log any more.
  void set(std::unique_ptr<LogTarget> target);
  /// See LogFile::reopen().
  void reopen();
  void listen(bool wanted);
  Heard take_heard();
  /// Whether there is something for the listener to take.
  bool has_heard() const;
  Totals totals() const;

  /// Takes what is there. True: there was something. One thread.
  bool pass();

 private:
  /// Lines that wait for the listener: as many as JavaScript makes objects of within a few milliseconds.
  static constexpr uint32_t kMostHeard = 512;
  static constexpr size_t kMostLines = 256 * 1024;  // bytes that are written at once

  void take(const ExchangeRecord& record, Nanoseconds to_wall, std::string& lines);
  void write(std::string& lines);
  uint64_t lost_by_lanes(uint64_t (ExchangeRing::*which)() const) const;

  const std::vector<ExchangeRing*> rings_;
  mutable std::mutex mutex_;  // guards what follows
  std::unique_ptr<LogTarget> target_;
  const LogFormat json_{"json"};
  Totals totals_;
  std::string heard_;
  uint32_t heard_count_ = 0;
  uint64_t heard_lost_ = 0;  // here
  // By lanes: while somebody listens what they had lost beside, else what they had lost while somebody did.
  uint64_t lost_mark_ = 0;
  bool wanted_ = false;
};

}  // namespace flatproxy
