#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "port/fd.h"

namespace flatproxy {

/// Tells when an interface goes down, comes up or is deleted, without a thread: check() reads what the kernel has said.
class LinkMonitor {
 public:
  /// In the network namespace of the calling thread. Throws Error.
  LinkMonitor(uint32_t index, bool up);
  /// One system call when nothing has happened. One thread at a time. True: the kernel has said something about it.
  bool check();
  bool up() const { return state_.load(std::memory_order_relaxed) == State::up; }
  /// Why it is not up, for people; empty while it is.
  std::string reason() const;

 private:
  enum class State : uint8_t { up, down, deleted };
  bool read(const uint8_t* messages, size_t length);
  Fd socket_;
  uint32_t index_;
  std::atomic<State> state_;
};

}  // namespace flatproxy
