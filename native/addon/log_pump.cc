#include "addon/log_pump.h"

#include <poll.h>

#include <chrono>
#include <utility>

#include "addon/control_thread.h"

namespace flatproxy {
namespace {

using namespace std::chrono_literals;

/// Between two looks while there is something to write: what has gathered is written at once.
constexpr auto kPause = 2ms;

std::vector<ExchangeRing*> rings_of(Engine& engine) {
  std::vector<ExchangeRing*> rings;
  for (unsigned lane = 0; lane < engine.lanes(); ++lane) rings.push_back(&engine.exchanges(lane));
  return rings;
}

}  // namespace

LogPump::LogPump(Engine& engine, std::function<void()> wake)
    : engine_(engine), wake_(std::move(wake)), writer_(rings_of(engine)) {
  thread_ = start_quiet_thread("fp-log", [this] { run(); });
}

LogPump::~LogPump() {
  stopping_.store(true);
  engine_.shared().exchanges_told.notify();
  thread_.join();
}

void LogPump::want_exchanges(bool want) {
  writer_.listen(want);
  engine_.shared().want_exchanges.store(want);
}

void LogPump::run() {
  while (!stopping_.load()) {
    if (!writer_.pass()) {
      sleep();
      continue;
    }
    if (writer_.has_heard()) wake_();
    std::this_thread::sleep_for(kPause);
  }
  while (writer_.pass()) {
  }
}

/// Until a lane has something to tell, or all ends.
void LogPump::sleep() {
  SleepSignal& told = engine_.shared().exchanges_told;
  told.arm();
  pollfd fd{told.fd(), POLLIN, 0};
  if (!writer_.pass() && !stopping_.load()) poll(&fd, 1, -1);
  told.disarm();
}

}  // namespace flatproxy
