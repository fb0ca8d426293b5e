#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "addon/control_thread.h"
#include "addon/log_pump.h"
#include "addon/memory_end.h"
#include "addon/port_claims.h"
#include "addon/pump.h"
#include "lane/engine.h"

namespace flatproxy {

/// An engine that JavaScript runs, with the threads that wait for it. Knows nothing of Node-API.
class Session {
 public:
  /// @param wake called on any thread when the pump has something to collect
  explicit Session(std::function<void()> wake) : wake_(std::move(wake)) {}
  ~Session() { stop(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Does a job on the control thread, after those before it.
  void post(std::function<void()> job) { control_.post(std::move(job)); }

  // On the control thread; they throw Error and standard exceptions.
  void open(EngineOptions options, const std::string& plan);
  /// Returns the longest pause of a lane, in nanoseconds of its CPU time.
  uint64_t apply(const std::string& plan);
  /// See LogFile::reopen().
  void reopen_log() { log_pump_->writer().reopen(); }
  /// Stops the lanes and removes the ports; no effect when there are none.
  void shut();

  /// The memory ports in force, by id; on the control thread. Weak: a port must not outlive its engine.
  using MemoryPorts = std::vector<std::pair<uint32_t, std::weak_ptr<MemoryPort>>>;
  MemoryPorts memory_ports() const;

  // On JavaScript's thread.
  void adopt_memory_ports(const MemoryPorts& ports);
  void forget_memory_ports() { memory_ends_.clear(); }
  MemoryEnd* memory_end(uint32_t id);

  /// Between open() and shut().
  Engine& engine() { return *engine_; }
  Pump& pump() { return *pump_; }
  LogPump& log_pump() { return *log_pump_; }

  /// Finishes the job that runs, drops those that wait, and shuts. On JavaScript's thread, or when that has ended.
  void stop();

 private:
  std::unique_ptr<LogTarget> open_log(const Snapshot& next) const;

  std::function<void()> wake_;
  // What JavaScript sends is released wherever it ends: the memory goes last.
  std::unique_ptr<Buffers> sent_frames_;
  PortClaims claims_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Pump> pump_;
  std::unique_ptr<LogPump> log_pump_;
  std::map<uint32_t, MemoryEnd> memory_ends_;
  ControlThread control_;
};

}  // namespace flatproxy
