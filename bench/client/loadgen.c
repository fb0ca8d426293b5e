// An HTTP/1.1 client of one thread.
//   open    requests are due at an even rate, whatever becomes of the ones before. Latency counts from the moment when
//   a
//           request was due, not from when it could be sent: a stall of the server shows in all requests that were due
//           meanwhile. (wrk sends the next request when the last is answered, and h2load --rps counts from the sending:
//           during a stall both ask nobody, and measure one slow request where thousands would have waited.)
//   closed  each connection asks again as soon as it is answered: saturation
//   hold    opens connections with one request on each, says "holding N", keeps them until its input ends
// Prints one line of JSON.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"
#include "histogram.h"
#include "options.h"

struct slot {
  struct connection connection;
  uint64_t due;  // when its request was to be sent, ns
  unsigned next_free;
  bool busy;
};

static struct {
  struct options options;
  struct target target;
  char* request;
  size_t request_length;
  struct slot* slots;
  unsigned first_free;  // options.connections: none
  int epoll;
  int timer;
  uint64_t start;
  uint64_t made;  // requests that were given to a connection
  uint64_t done;
  uint64_t failed;
  uint64_t resumed;
  uint64_t bytes;
  struct histogram latency;
} run;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static uint64_t due_at(uint64_t index) { return run.start + (uint64_t)((double)index * 1e9 / run.options.rate); }

static void watch(unsigned index, enum progress state, bool is_new) {
  struct epoll_event event = {.events = state == kWantWrite ? EPOLLOUT : EPOLLIN, .data.u32 = index};
  const int fd = run.slots[index].connection.fd;
  if (epoll_ctl(run.epoll, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) < 0) fail("epoll_ctl");
}

static void settle(unsigned index, enum progress state) {
  struct slot* slot = &run.slots[index];
  if (state == kDone) {
    ++run.done;
    run.bytes += slot->connection.body_read;
    run.resumed += slot->connection.resumed;
    histogram_add(&run.latency, now_ns() - slot->due);
  } else {
    ++run.failed;
  }
  if (state == kFailed || run.options.close || !slot->connection.reusable) connection_close(&slot->connection);
  slot->busy = false;
  if (run.options.mode == kHold && state == kDone) return;
  slot->next_free = run.first_free;
  run.first_free = index;
}

// Gives the request that was due at `due` to a free connection.
static void make_request(uint64_t due) {
  const unsigned index = run.first_free;
  struct slot* slot = &run.slots[index];
  run.first_free = slot->next_free;
  slot->busy = true;
  slot->due = due;
  ++run.made;
  const bool is_new = slot->connection.fd < 0;
  const enum progress state = connection_start(&slot->connection, &run.target, run.request, run.request_length);
  if (state == kDone || state == kFailed)
    settle(index, state);
  else
    watch(index, state, is_new);
}

// Makes what is due; the rest waits for its time, or for a free connection.
static void make_requests(uint64_t now, uint64_t end) {
  const unsigned none = run.options.connections;
  if (run.options.mode == kOpen) {
    while (run.first_free != none && due_at(run.made) <= now && due_at(run.made) < end) make_request(due_at(run.made));
    const uint64_t next = due_at(run.made);
    if (run.first_free == none || next >= end) return;
    const struct itimerspec when = {.it_value = {(time_t)(next / 1000000000), (long)(next % 1000000000)}};
    timerfd_settime(run.timer, TFD_TIMER_ABSTIME, &when, NULL);
  } else {
    // A turn makes each connection's request once: a target that refuses at once must not keep us here.
    for (unsigned i = 0; i < none && run.first_free != none && now < end; ++i) make_request(now_ns());
  }
}

static void handle(const struct epoll_event* event) {
  if (event->data.u32 == UINT32_MAX) {
    uint64_t expirations;
    (void)!read(run.timer, &expirations, sizeof expirations);
    return;
  }
  const unsigned index = event->data.u32;
  struct slot* slot = &run.slots[index];
  if (!slot->busy) {
    if (!connection_is_alive(&slot->connection)) connection_close(&slot->connection);
    return;
  }
  const enum progress state = connection_continue(&slot->connection, &run.target);
  if (state == kDone || state == kFailed)
    settle(index, state);
  else
    watch(index, state, false);
}

// Until `deadline` (ns), or `until` answers and failures are there.
static void turn(uint64_t deadline, uint64_t until) {
  struct epoll_event events[128];
  const uint64_t now = now_ns();
  if (now >= deadline || run.done + run.failed >= until) return;
  const int wait = (int)((deadline - now + 999999) / 1000000);
  const int n = epoll_wait(run.epoll, events, 128, wait);
  for (int i = 0; i < n; ++i) handle(&events[i]);
}

static void measure(void) {
  run.start = now_ns();
  const uint64_t end = run.start + (uint64_t)(run.options.seconds * 1e9);
  const uint64_t last = end + (uint64_t)(run.options.drain * 1e9);
  const uint64_t planned = (uint64_t)(run.options.seconds * run.options.rate);
  for (uint64_t now; (now = now_ns()) < end;) {
    make_requests(now, end);
    turn(end, UINT64_MAX);
  }
  // What was due and found no free connection is made now, its time of waiting counts.
  for (uint64_t now; (now = now_ns()) < last;) {
    if (run.options.mode == kOpen) make_requests(now, end);
    const uint64_t expected = run.options.mode == kOpen && planned > run.made ? planned : run.made;
    if (run.done + run.failed >= expected) break;
    turn(last, expected);
  }
}

// Requests that got no answer in time: their latency is at least what they have waited.
static uint64_t count_unanswered(void) {
  const uint64_t now = now_ns();
  uint64_t count = 0;
  for (unsigned i = 0; i < run.options.connections; ++i) {
    if (!run.slots[i].busy) continue;
    histogram_add(&run.latency, now - run.slots[i].due);
    ++count;
  }
  if (run.options.mode != kOpen) return count;
  const uint64_t end = run.start + (uint64_t)(run.options.seconds * 1e9);
  for (; due_at(run.made) < end; ++run.made, ++count) histogram_add(&run.latency, now - due_at(run.made));
  return count;
}

static void hold(void) {
  const unsigned wanted = run.options.connections;
  run.start = now_ns();
  const uint64_t deadline = run.start + 60ull * 1000000000;
  // 64 at a time: a listen queue may be short.
  while (run.done < wanted && run.failed == 0 && now_ns() < deadline) {
    while (run.made < wanted && run.made - run.done < 64) make_request(now_ns());
    turn(deadline, wanted);
  }
  printf("holding %llu\n", (unsigned long long)run.done);
  fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
}

static void report(double seconds, uint64_t unanswered) {
  printf("{\"requests\":%llu,\"failed\":%llu,\"unanswered\":%llu,\"seconds\":%.6f,\"bytes\":%llu,\"resumed\":%llu,",
         (unsigned long long)run.done, (unsigned long long)run.failed, (unsigned long long)unanswered, seconds,
         (unsigned long long)run.bytes, (unsigned long long)run.resumed);
  const double quantiles[] = {0.5, 0.99, 0.999};
  const char* names[] = {"p50_us", "p99_us", "p999_us"};
  for (int i = 0; i < 3; ++i) {
    printf("\"%s\":%.3f,", names[i], (double)histogram_quantile(&run.latency, quantiles[i]) / 1e3);
  }
  fputs("\"buckets\":", stdout);
  histogram_print(&run.latency, stdout);
  puts("}");
}

static void prepare(void) {
  const struct options* o = &run.options;
  struct rlimit files = {o->connections + 64, o->connections + 64};
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max > files.rlim_max) files.rlim_max = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_IGN);
  run.request = build_request(o, &run.request_length);
  run.target.address.sin_family = AF_INET;
  run.target.address.sin_port = htons((uint16_t)o->port);
  inet_pton(AF_INET, o->address, &run.target.address.sin_addr);
  run.target.resume = o->resume;
  if (o->tls) {
    run.target.tls = SSL_CTX_new(TLS_client_method());
    if (!o->resume) SSL_CTX_set_session_cache_mode(run.target.tls, SSL_SESS_CACHE_OFF);
  }
  run.slots = calloc(o->connections, sizeof *run.slots);
  if (!run.slots) fail("calloc");
  for (unsigned i = 0; i < o->connections; ++i) {
    connection_init(&run.slots[i].connection);
    run.slots[i].next_free = i + 1;
  }
  run.epoll = epoll_create1(EPOLL_CLOEXEC);
  run.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
  if (run.epoll < 0 || run.timer < 0 || epoll_ctl(run.epoll, EPOLL_CTL_ADD, run.timer, &event) < 0) fail("epoll");
}

int main(int count, char** arguments) {
  run.options = read_options(count, arguments);
  prepare();
  if (run.options.mode == kHold) {
    hold();
    return run.done == run.options.connections ? 0 : 1;
  }
  measure();
  const double seconds = (double)(now_ns() - run.start) / 1e9;
  report(seconds, count_unanswered());
  return 0;
}
