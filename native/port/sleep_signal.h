#pragma once

#include <atomic>

namespace flatproxy {

/// Wakes a consumer that sleeps on a file descriptor, and costs a system call only when it does.
/// The consumer: arm(), then look for work once more, then poll fd(); disarm() when it is awake. A producer: publish
/// the work, then notify(). Either the consumer's look finds the work, or notify() finds it armed: both sides pass
/// through one read-modify-write of the same flag, and the later one sees what was done before the earlier one.
class SleepSignal {
 public:
  /// Throws Error ERR_FLATPROXY_RESOURCE when there is no file descriptor to be had.
  SleepSignal();
  ~SleepSignal();
  SleepSignal(const SleepSignal&) = delete;
  SleepSignal& operator=(const SleepSignal&) = delete;

  /// Readable once notify() has met an armed consumer, until disarm().
  int fd() const { return fd_; }

  /// Consumer.
  void arm() { armed_.exchange(1, std::memory_order_acq_rel); }
  void disarm();

  /// Any producer. The addition of nothing publishes what was done before it to a consumer that arms later.
  void notify() {
    if (armed_.fetch_add(0, std::memory_order_acq_rel) != 0) wake();
  }

 private:
  void wake();

  int fd_;
  bool unread_ = false;  // consumer's: a wake-up that was announced may still have to be read
  alignas(64) std::atomic<unsigned char> armed_{0};
};

}  // namespace flatproxy
