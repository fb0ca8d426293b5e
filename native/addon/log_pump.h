#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "lane/engine.h"
#include "log/log_writer.h"

namespace flatproxy {

/// The thread that writes an engine's access log. It sleeps while lanes have nothing to tell.
class LogPump {
 public:
  /// @param wake called on this thread when whoever listens has something to take; returns at once
  LogPump(Engine& engine, std::function<void()> wake);
  ~LogPump();
  LogPump(const LogPump&) = delete;
  LogPump& operator=(const LogPump&) = delete;

  // Any thread:
  LogWriter& writer() { return writer_; }
  /// Whether somebody listens to exchanges.
  void want_exchanges(bool want);

 private:
  void run();
  void sleep();

  Engine& engine_;
  std::function<void()> wake_;
  LogWriter writer_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace flatproxy
