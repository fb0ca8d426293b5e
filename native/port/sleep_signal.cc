#include "port/sleep_signal.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "packet/error.h"

namespace flatproxy {

SleepSignal::SleepSignal() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) {
    throw Error("ERR_FLATPROXY_RESOURCE", std::string("no eventfd: ") + std::strerror(errno),
                "raise the limit of open files (ulimit -n)");
  }
}

SleepSignal::~SleepSignal() { close(fd_); }

void SleepSignal::wake() {
  if (armed_.exchange(0, std::memory_order_acq_rel) == 0) return;  // another producer was first
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof(one));
}

void SleepSignal::disarm() {
  // Still armed: nobody has written. Otherwise a producer has written or is about to; a write that comes after this
  // read must not leave the descriptor readable for ever, so it stays owed until it was read.
  if (armed_.exchange(0, std::memory_order_acq_rel) == 0) unread_ = true;
  if (!unread_) return;
  uint64_t count;
  if (read(fd_, &count, sizeof(count)) == sizeof(count)) unread_ = false;
}

}  // namespace flatproxy
