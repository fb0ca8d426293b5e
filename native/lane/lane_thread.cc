#include "lane/lane_thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "packet/error.h"

namespace flatproxy {
namespace {

/// Ports without a descriptor are looked at this often while nothing comes (see docs/ports.md).
constexpr Nanoseconds kPollInterval = 100'000;
/// A descriptor that reports an error stays ready: the lane does without it for so long, lest it never sleep.
constexpr Nanoseconds kRestFromErrors = 100'000'000;
constexpr Nanoseconds kLongestSleep = 1'000'000'000;

Nanoseconds read(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<Nanoseconds>(t.tv_sec) * 1'000'000'000 + static_cast<Nanoseconds>(t.tv_nsec);
}

timespec timespec_of(Nanoseconds time) {
  return {static_cast<time_t>(time / 1'000'000'000), static_cast<long>(time % 1'000'000'000)};
}

void pin(int core) {
  if (core < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  // A core that cannot be had was refused before the engine was made; what fails here leaves the lane unpinned.
  pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

}  // namespace

LaneThread::LaneThread(std::unique_ptr<Lane> lane, Options options) : lane_(std::move(lane)), options_(options) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (epoll_ < 0 || timer_ < 0) {
    close_all();
    throw Error("ERR_FLATPROXY_RESOURCE", "no file descriptor is left for a lane",
                "raise the limit of open files (ulimit -n)");
  }
}

LaneThread::~LaneThread() {
  stop();
  close_all();
}

void LaneThread::close_all() {
  if (epoll_ >= 0) close(epoll_);
  if (timer_ >= 0) close(timer_);
}

void LaneThread::start() {
  // Signals belong to the program: none may be delivered to a lane.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void LaneThread::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  task_signal_.notify();
  thread_.join();
}

void LaneThread::post(LaneTask& task) {
  LaneTask* item = &task;
  while (!tasks_.push(item)) std::this_thread::yield();
  task_signal_.notify();
}

void LaneThread::wait(LaneTask& task) {
  std::unique_lock lock(done_mutex_);
  done_.wait(lock, [&task] { return task.done_; });
}

void LaneThread::run() {
  char name[16];
  std::snprintf(name, sizeof(name), "lane-%u", lane_->id());
  pthread_setname_np(pthread_self(), name);
  pin(options_.core);
  while (!stopping_.load(std::memory_order_relaxed)) {
    const Nanoseconds now = read_clock();
    if (current_task_ != nullptr || !tasks_.empty()) [[unlikely]] {
      measured_pass(now);
      continue;
    }
    if (lane_->iterate(now)) {
      lane_->counters().busy_time.add(read(CLOCK_MONOTONIC) - now);
      continue;
    }
    if (options_.busy) {
      lane_->for_each_queue([](Port&, PortQueue& queue) { queue.readable(); });
    } else {
      sleep(now);
    }
  }
}

/// Real time, or on a capture the time of its next packet: a replay runs as fast as it can.
Nanoseconds LaneThread::read_clock() {
  if (!virtual_time_) return read(CLOCK_MONOTONIC);
  const Nanoseconds next = lane_->next_receive();
  if (next != kNever) virtual_now_ = std::max(virtual_now_, next);
  return virtual_now_;
}

void LaneThread::measured_pass(Nanoseconds now) {
  const Nanoseconds before = read(CLOCK_THREAD_CPUTIME_ID);
  if (current_task_ == nullptr) current_task_ = tasks_.pop();
  LaneTask* finished = nullptr;
  if (current_task_ != nullptr && current_task_->step(*lane_, now)) {
    finished = current_task_;
    current_task_ = nullptr;
  }
  lane_->iterate(now);
  const Nanoseconds pause = read(CLOCK_THREAD_CPUTIME_ID) - before;
  if (pause > longest_pause_.load(std::memory_order_relaxed)) longest_pause_.store(pause);
  if (&lane_->snapshot() != waits_for_) rebuild_wait_set();
  if (finished != nullptr) finish(*finished);
}

void LaneThread::finish(LaneTask& task) {
  const std::lock_guard lock(done_mutex_);
  task.done_ = true;
  done_.notify_all();
}

void LaneThread::rebuild_wait_set() {
  close(epoll_);
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  const auto watch = [this](int fd, uint32_t events = EPOLLIN, PortQueue* queue = nullptr) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = queue;
    if (fd >= 0) epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  };
  watch(timer_, EPOLLIN | EPOLLET);  // each time it fires is told once, and need not be read
  watch(task_signal_.fd());
  watch(lane_->handover().signal(lane_->id()).fd());
  waits_for_ = &lane_->snapshot();
  rest_ends_ = kNever;
  must_poll_ = virtual_time_ = false;
  lane_->for_each_queue([&](const Port& port, PortQueue& queue) {
    watch(queue.wait_fd(), EPOLLIN, &queue);
    must_poll_ |= queue.wait_fd() < 0 && !port.virtual_time();
    virtual_time_ |= port.virtual_time();
  });
}

void LaneThread::take_event(const epoll_event& event, Nanoseconds now) {
  auto* queue = static_cast<PortQueue*>(event.data.ptr);
  if (queue == nullptr) return;
  queue->readable();
  if ((event.events & (EPOLLERR | EPOLLHUP)) == 0) [[likely]]
    return;
  epoll_ctl(epoll_, EPOLL_CTL_DEL, queue->wait_fd(), nullptr);
  rest_ends_ = std::min(rest_ends_, now + kRestFromErrors);
}

bool LaneThread::arm_all() {
  bool quiet = true;
  lane_->for_each_queue([&](Port&, PortQueue& queue) { quiet &= queue.arm(); });
  task_signal_.arm();
  Handover& handover = lane_->handover();
  handover.signal(lane_->id()).arm();
  return quiet && tasks_.empty() && !handover.waiting(lane_->id()) && !stopping_.load();
}

void LaneThread::disarm_all() {
  lane_->for_each_queue([](Port&, PortQueue& queue) { queue.disarm(); });
  task_signal_.disarm();
  lane_->handover().signal(lane_->id()).disarm();
}

/// A timer that is set stays set, though what it was for may be past: a waking for nothing now and then costs less than
/// setting the processor's timer anew for each sleep, which in a virtual machine costs more than the packet.
void LaneThread::set_alarm(Nanoseconds deadline, Nanoseconds now) {
  if (alarm_ > now && alarm_ <= deadline) return;
  alarm_ = deadline;
  itimerspec at{};
  at.it_value = timespec_of(deadline);
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &at, nullptr);
}

void LaneThread::sleep(Nanoseconds now) {
  if (waits_for_ == nullptr || now >= rest_ends_) rebuild_wait_set();
  const Nanoseconds deadline = virtual_time_ ? kNever : lane_->next_deadline(now);
  if (deadline != kNever && deadline > now) set_alarm(deadline, now);
  if (arm_all() && deadline > now) {
    const timespec timeout = timespec_of(must_poll_ ? kPollInterval : kLongestSleep);
    epoll_event events[8];
    const int ready = epoll_pwait2(epoll_, events, 8, &timeout, nullptr);
    for (int i = 0; i < ready; ++i) take_event(events[i], now);
  }
  disarm_all();
}

}  // namespace flatproxy
