#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "addon/flow_bytes.h"
#include "lane/engine.h"
#include "port/memory.h"
#include "port/sleep_signal.h"

namespace flatproxy {

/// Watches what an engine has to tell: flow events, memory ports with something to take, ports that go. Gathers it,
/// bounded, and wakes whoever collects it.
class Pump {
 public:
  struct PortState {
    uint16_t port;
    bool up;
    std::string reason;  ///< why it is not up
  };
  struct Collected {
    std::vector<FlowBytes> events;
    std::vector<uint16_t> readable;  ///< ports of watch(), each told once
    std::vector<PortState> ports;
    uint64_t lost_events = 0;  ///< since the engine's start
    bool empty() const { return events.empty() && readable.empty() && ports.empty(); }
  };

  /// @param wake called on the pump's thread when there is something to collect; returns at once
  Pump(Engine& engine, std::function<void()> wake);
  ~Pump() { stop(); }
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  // Any thread:
  void stop();
  /// The ports in force.
  void set_ports(const Snapshot& snapshot);
  void want_events(bool want);
  /// Tells once when the port, whose taker is armed, has something to take.
  void watch(uint16_t id, std::shared_ptr<MemoryPort> port);
  Collected collect();

 private:
  /// Events that wait to be collected: as many as JavaScript turns into objects within a millisecond. While there are
  /// more, they stay in the lanes' rings, which count what they lose.
  static constexpr size_t kMaxEvents = 512;
  struct Watched {
    uint16_t id;
    std::shared_ptr<MemoryPort> port;
  };
  struct Known {
    uint16_t id;
    std::shared_ptr<Port> port;
    bool seen_up = false;
    bool down = false;
  };

  void run();
  void wait();
  bool look();
  bool gather_events();
  bool look_at_ports();
  bool up(uint16_t id);

  Engine& engine_;
  std::function<void()> wake_;
  SleepSignal signal_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // guards what follows
  std::vector<Watched> watched_;
  std::vector<Known> ports_;
  Collected collected_;
  bool want_events_ = false;
  unsigned quiet_passes_ = 0;  // the pump's own
  std::thread thread_;
};

}  // namespace flatproxy
