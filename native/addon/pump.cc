#include "addon/pump.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "addon/control_thread.h"

namespace flatproxy {
namespace {

/// How often ports are looked at, in milliseconds.
constexpr int kPortInterval = 200;
/// How often the lanes' event rings are looked at while somebody listens: soon after there was something, at ease else.
constexpr int kShortEventInterval = 1;
constexpr int kLongEventInterval = 20;
constexpr unsigned kQuietPasses = 10;

}  // namespace

Pump::Pump(Engine& engine, std::function<void()> wake) : engine_(engine), wake_(std::move(wake)) {
  thread_ = start_quiet_thread("fp-pump", [this] { run(); });
}

void Pump::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  signal_.notify();
  thread_.join();
}

void Pump::set_ports(const Snapshot& snapshot) {
  std::vector<Known> before;  // dropped after the lock: a port's end may take a while
  const std::lock_guard lock(mutex_);
  before.swap(ports_);
  for (size_t i = 0; i < snapshot.ports.size(); ++i) {
    const auto id = static_cast<uint16_t>(i);
    const auto& port = snapshot.ports[i].port;
    if (port == nullptr) continue;
    const auto known = std::find_if(before.begin(), before.end(), [&](const Known& k) { return k.port == port; });
    ports_.push_back(known == before.end() ? Known{id, port} : *known);
  }
  std::erase_if(watched_, [this](const Watched& watched) {
    return std::none_of(ports_.begin(), ports_.end(), [&](const Known& known) { return known.id == watched.id; });
  });
}

void Pump::want_events(bool want) {
  engine_.want_events(want);
  {
    const std::lock_guard lock(mutex_);
    want_events_ = want;
  }
  signal_.notify();
}

void Pump::watch(uint16_t id, std::shared_ptr<MemoryPort> port) {
  {
    const std::lock_guard lock(mutex_);
    watched_.push_back({id, std::move(port)});
  }
  signal_.notify();
}

Pump::Collected Pump::collect() {
  Collected collected;
  {
    const std::lock_guard lock(mutex_);
    collected = std::exchange(collected_, {});
  }
  for (unsigned lane = 0; lane < engine_.lanes(); ++lane) collected.lost_events += engine_.events(lane).lost();
  return collected;
}

void Pump::run() {
  while (!stopping_.load()) {
    if (look()) wake_();
    wait();
  }
}

/// Gathers what there is; true: there was something new.
bool Pump::look() {
  const std::lock_guard lock(mutex_);
  const bool events = gather_events();
  quiet_passes_ = events ? 0 : quiet_passes_ + 1;
  const size_t readable = collected_.readable.size();
  std::erase_if(watched_, [this](const Watched& watched) {
    pollfd fd{watched.port->taker_fd(), POLLIN, 0};
    if (poll(&fd, 1, 0) != 1) return false;
    collected_.readable.push_back(watched.id);
    return true;
  });
  const bool ports = look_at_ports();
  return events || ports || collected_.readable.size() != readable;
}

void Pump::wait() {
  std::vector<pollfd> fds;
  int timeout = kPortInterval;
  signal_.arm();
  {
    const std::lock_guard lock(mutex_);
    fds.push_back({signal_.fd(), POLLIN, 0});
    for (const Watched& watched : watched_) fds.push_back({watched.port->taker_fd(), POLLIN, 0});
    if (want_events_) timeout = quiet_passes_ < kQuietPasses ? kShortEventInterval : kLongEventInterval;
  }
  if (!stopping_.load()) poll(fds.data(), fds.size(), timeout);
  signal_.disarm();
}

bool Pump::gather_events() {
  const size_t before = collected_.events.size();
  FlowEvent event;
  for (unsigned lane = 0; lane < engine_.lanes(); ++lane) {
    while (collected_.events.size() < kMaxEvents && engine_.events(lane).pop(event)) {
      // What was on its way when the last listener left is nobody's.
      if (want_events_) collected_.events.push_back(to_bytes(event));
    }
  }
  return collected_.events.size() != before;
}

bool Pump::look_at_ports() {
  const size_t before = collected_.ports.size();
  for (Known& known : ports_) {
    // Of a port that has just been opened, its lanes may not have looked yet.
    const bool is_up = up(known.id);
    known.seen_up = known.seen_up || is_up;
    if (!known.seen_up || is_up != known.down) continue;
    known.down = !is_up;
    collected_.ports.push_back({known.id, is_up, is_up ? std::string() : known.port->loss_reason()});
  }
  return collected_.ports.size() != before;
}

bool Pump::up(uint16_t id) {
  for (unsigned lane = 0; lane < engine_.lanes(); ++lane) {
    if (engine_.counters(lane).ports[id].up.read() == 0) return false;
  }
  return true;
}

}  // namespace flatproxy
