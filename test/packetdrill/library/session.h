#pragma once

#include <sys/epoll.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "host/socket_host.h"

namespace flatproxy::packetdrill {

/// One run of packetdrill over a SocketHost: its clock, which each look at it moves on, its descriptors, and the one call
/// at a time that blocks. Calls on the thread that made the session never wait; others do, asleep, until what they wait
/// for has happened. Then time stands still until they have looked at the clock.
class Session {
 public:
  explicit Session(const HostFlags& flags) : host_(flags), main_(std::this_thread::get_id()) {}
  ~Session();

  /// A new descriptor of the kernel's, for a socket or a poll set.
  static int new_descriptor();

  /// Makes a call: `attempt` is repeated while it returns -EAGAIN, if the call may block.
  Result call(const std::function<Result(SocketHost&)>& attempt, bool may_block = false);

  void packet_arrives(const void* packet, size_t size);
  /// The next packet sent, oldest first; time jumps to it. Ends the process when none can ever come.
  SentPacket next_packet();
  void sleep(int64_t microseconds);
  int64_t look_at_clock();

  struct PollSet {
    struct Watched {
      epoll_event event;
      uint64_t seen;  // SocketHost::changes() at the last event
    };
    std::map<int, Watched> watched;
  };
  std::map<int, PollSet> poll_sets;

 private:
  bool on_main() const { return std::this_thread::get_id() == main_; }
  void advance_to(std::unique_lock<std::mutex>& lock, int64_t time_us);
  void retry_blocked();
  void wait_for_return(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable changed_;
  SocketHost host_;
  const std::thread::id main_;
  const std::function<Result(SocketHost&)>* blocked_ = nullptr;  // the call that waits
  Result blocked_result_ = 0;
  bool returning_ = false;  // it waits no more, but has not looked at the clock yet
};

}  // namespace flatproxy::packetdrill
