#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace flatproxy {

/// Starts a thread that no signal is delivered to: signals are the program's.
std::thread start_quiet_thread(const char* name, std::function<void()> run);

/// Does one job after another, in the order in which they were posted.
class ControlThread {
 public:
  ControlThread();
  /// Finishes the job that runs, and drops those that wait.
  ~ControlThread() { stop(); }
  ControlThread(const ControlThread&) = delete;
  ControlThread& operator=(const ControlThread&) = delete;

  void post(std::function<void()> job);
  void stop();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace flatproxy
