#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "lane/lane.h"
#include "port/spsc_ring.h"

namespace flatproxy {

/// Work for a lane between two bursts: taking another snapshot, listing flows. It may take many steps, each short.
class LaneTask {
 public:
  virtual ~LaneTask() = default;
  /// On the lane's thread, once per pass. True: done.
  virtual bool step(Lane& lane, Nanoseconds now) = 0;

 private:
  friend class LaneThread;
  bool done_ = false;  // under LaneThread::done_mutex_
};

/// Runs a lane on a thread of its own: spins while there is work, sleeps on the ports' descriptors when there is none.
class LaneThread {
 public:
  struct Options {
    int core = -1;      ///< the core it is pinned to; -1: none
    bool busy = false;  ///< never sleep
  };
  LaneThread(std::unique_ptr<Lane> lane, Options options);
  /// Stops and joins.
  ~LaneThread();
  LaneThread(const LaneThread&) = delete;
  LaneThread& operator=(const LaneThread&) = delete;

  void start();
  void stop();
  /// Hands the lane a task; one thread at a time. The caller keeps the task alive until wait() is over.
  void post(LaneTask& task);
  /// Blocks until the lane is done with the task.
  void wait(LaneTask& task);

  Lane& lane() { return *lane_; }
  /// The longest CPU time of one pass since the last call, in nanoseconds; measured while a task runs.
  uint64_t take_longest_pause() { return longest_pause_.exchange(0); }

 private:
  void run();
  Nanoseconds read_clock();
  void measured_pass(Nanoseconds now);
  void finish(LaneTask& task);
  void sleep(Nanoseconds now);
  void set_alarm(Nanoseconds deadline, Nanoseconds now);
  bool arm_all();
  void disarm_all();
  void rebuild_wait_set();
  void close_all();
  void take_event(const epoll_event& event, Nanoseconds now);

  std::unique_ptr<Lane> lane_;
  Options options_;
  SpscRing<LaneTask> tasks_{64};
  LaneTask* current_task_ = nullptr;
  SleepSignal task_signal_;
  std::mutex done_mutex_;  // taken once for each task, never for a packet
  std::condition_variable done_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> longest_pause_{0};
  const Snapshot* waits_for_ = nullptr;  // whose ports stand in the epoll set
  int epoll_ = -1;
  int timer_ = -1;
  Nanoseconds alarm_ = 0;           // when the timer fires, or has fired
  Nanoseconds rest_ends_ = kNever;  // when descriptors that were left out of the set are tried again
  bool must_poll_ = false;          // a port has nothing to wait on
  bool virtual_time_ = false;
  Nanoseconds virtual_now_ = 0;
  std::thread thread_;
};

}  // namespace flatproxy
