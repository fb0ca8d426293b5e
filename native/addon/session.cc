#include "addon/session.h"

#include <sys/random.h>

#include "config/plan.h"
#include "packet/error.h"
#include "port/fault.h"
#include "tls/server_context.h"

namespace flatproxy {
namespace {

HashKey random_key() {
  HashKey key;
  // 256 bytes or less come whole once the kernel's pool is ready, for which the call waits (getrandom(2)).
  if (getrandom(key.words, sizeof(key.words), 0) != sizeof(key.words)) {
    throw Error("ERR_FLATPROXY_INTERNAL", "getrandom gives no randomness");
  }
  return key;
}

/// The memory port that a port is, or wraps; else empty.
std::shared_ptr<MemoryPort> memory_port_of(const std::shared_ptr<Port>& port) {
  auto* fault = dynamic_cast<FaultPort*>(port.get());
  auto* memory = dynamic_cast<MemoryPort*>(fault == nullptr ? port.get() : &fault->inner());
  return memory == nullptr ? nullptr : std::shared_ptr<MemoryPort>(port, memory);
}

std::shared_ptr<const tls::ServerContext> make_tls(const TlsSettings& settings) {
  return std::make_shared<const tls::ServerContext>(settings);
}

}  // namespace

void Session::open(EngineOptions options, const std::string& plan) {
  options.key = random_key();
  auto snapshot = build_snapshot(plan, nullptr, claims_.opener(static_cast<unsigned>(options.cores.size())), make_tls);
  claims_.claim(*snapshot);
  auto log = open_log(*snapshot);
  engine_ = std::make_unique<Engine>(options, std::move(snapshot));
  pump_ = std::make_unique<Pump>(*engine_, wake_);
  pump_->set_ports(*engine_->snapshot());
  log_pump_ = std::make_unique<LogPump>(*engine_, wake_);
  log_pump_->writer().set(std::move(log));
}

/// The target of an access log that is not open yet, or nullptr.
std::unique_ptr<LogTarget> Session::open_log(const Snapshot& next) const {
  const bool is_open = engine_ != nullptr && next.access_log == engine_->snapshot()->access_log;
  return next.access_log == nullptr || is_open ? nullptr : std::make_unique<LogTarget>(*next.access_log);
}

uint64_t Session::apply(const std::string& plan) {
  const Snapshot& before = *engine_->snapshot();
  auto next = build_snapshot(plan, &before, claims_.opener(engine_->lanes()), make_tls);
  const bool other_log = next->access_log != before.access_log;
  std::unique_ptr<LogTarget> log;
  try {
    claims_.claim(*next);
    log = open_log(*next);
  } catch (...) {
    claims_.claim(before);
    throw;
  }
  const uint64_t pause = engine_->apply(std::move(next));
  pump_->set_ports(*engine_->snapshot());
  if (other_log) log_pump_->writer().set(std::move(log));
  return pause;
}

void Session::shut() {
  pump_.reset();
  if (engine_ != nullptr) engine_->stop();
  log_pump_.reset();
  engine_.reset();
}

Session::MemoryPorts Session::memory_ports() const {
  MemoryPorts found;
  const auto& ports = engine_->snapshot()->ports;
  for (size_t id = 0; id < ports.size(); ++id) {
    if (auto memory = memory_port_of(ports[id].port)) found.emplace_back(static_cast<uint32_t>(id), std::move(memory));
  }
  return found;
}

void Session::adopt_memory_ports(const MemoryPorts& ports) {
  auto before = std::exchange(memory_ends_, {});
  for (const auto& [id, weak] : ports) {
    const auto port = weak.lock();
    if (port == nullptr) continue;
    if (sent_frames_ == nullptr) sent_frames_ = std::make_unique<Buffers>();
    const auto known = before.find(id);
    if (known != before.end() && known->second.port() == port) {
      memory_ends_.insert(before.extract(known));
    } else {
      memory_ends_.emplace(id, MemoryEnd(port, engine_->shared(), *sent_frames_));
    }
  }
}

MemoryEnd* Session::memory_end(uint32_t id) {
  const auto found = memory_ends_.find(id);
  return found == memory_ends_.end() ? nullptr : &found->second;
}

void Session::stop() {
  control_.stop();
  forget_memory_ports();
  shut();
}

}  // namespace flatproxy
