#include "session.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace flatproxy::packetdrill {

Session::~Session() = default;

int Session::new_descriptor() { return eventfd(0, EFD_CLOEXEC); }

Result Session::call(const std::function<Result(SocketHost&)>& attempt, bool may_block) {
  std::unique_lock lock(mutex_);
  Result result = attempt(host_);
  if (on_main()) {
    retry_blocked();
    return result;
  }
  if (result == -EAGAIN && may_block) {
    blocked_ = &attempt;
    changed_.wait(lock, [this] { return blocked_ == nullptr; });
    return blocked_result_;
  }
  return result;
}

// Something has happened: the call that waits may have what it waits for.
void Session::retry_blocked() {
  if (blocked_ == nullptr) return;
  const Result result = (*blocked_)(host_);
  if (result == -EAGAIN) return;
  blocked_result_ = result;
  blocked_ = nullptr;
  returning_ = true;
  changed_.notify_all();
}

void Session::wait_for_return(std::unique_lock<std::mutex>& lock) {
  changed_.wait(lock, [this] { return !returning_; });
}

void Session::advance_to(std::unique_lock<std::mutex>& lock, int64_t time_us) {
  wait_for_return(lock);
  while (host_.now_us() < time_us) {
    const int64_t timer = host_.next_timer_us();
    host_.advance_to(timer < 0 ? time_us : std::min(timer, time_us));
    retry_blocked();
    wait_for_return(lock);
  }
}

void Session::packet_arrives(const void* packet, size_t size) {
  std::unique_lock lock(mutex_);
  host_.packet_arrives(static_cast<const uint8_t*>(packet), size);
  retry_blocked();
}

SentPacket Session::next_packet() {
  std::unique_lock lock(mutex_);
  while (host_.sent().empty()) {
    const int64_t timer = host_.next_timer_us();
    if (timer < 0 && !returning_) {
      std::fprintf(stderr, "flatproxy: a packet is expected, but no timer is set: none will ever be sent\n");
      _exit(1);
    }
    advance_to(lock, std::max(timer, host_.now_us() + 1));
  }
  SentPacket packet = std::move(host_.sent().front());
  host_.sent().pop_front();
  return packet;
}

void Session::sleep(int64_t microseconds) {
  std::unique_lock lock(mutex_);
  advance_to(lock, host_.now_us() + microseconds);
}

int64_t Session::look_at_clock() {
  std::unique_lock lock(mutex_);
  if (!on_main() && returning_) {
    returning_ = false;
    changed_.notify_all();
    return host_.now_us();
  }
  advance_to(lock, host_.now_us() + 1);
  return host_.now_us();
}

}  // namespace flatproxy::packetdrill
