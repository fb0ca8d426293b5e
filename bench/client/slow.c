// Preloaded, makes a program slower by FLATPROXY_BENCH_SLOW_PERCENT: for every so much time of the CPU that a thread of
// it uses, as much in per cent is burnt. With it the instrument is checked: it must find such a difference.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

enum { kCallsBetween = 64 };

static uint64_t cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static double percent(void) {
  static double value = -1;
  if (value < 0) {
    const char* text = getenv("FLATPROXY_BENCH_SLOW_PERCENT");
    value = text ? atof(text) : 0;
  }
  return value;
}

static void burn(void) {
  static __thread uint64_t calls, last;
  if (++calls % kCallsBetween != 0) return;
  const uint64_t now = cpu_ns();
  const uint64_t until = now + (uint64_t)((double)(now - last) * percent() / 100);
  if (last != 0)
    while (cpu_ns() < until) continue;
  last = cpu_ns();
}

ssize_t write(int fd, const void* from, size_t length) {
  static ssize_t (*real)(int, const void*, size_t);
  if (!real) real = (ssize_t(*)(int, const void*, size_t))dlsym(RTLD_NEXT, "write");
  burn();
  return real(fd, from, length);
}

// Lanes write to taps so. The arguments that a call does not have are read, and mean nothing to it.
long syscall(long number, ...) {
  static long (*real)(long, ...);
  if (!real) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  va_list list;
  va_start(list, number);
  long a[6];
  for (int i = 0; i < 6; ++i) a[i] = va_arg(list, long);
  va_end(list);
  if (number == SYS_write || number == SYS_writev) burn();
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

ssize_t writev(int fd, const struct iovec* from, int count) {
  static ssize_t (*real)(int, const struct iovec*, int);
  if (!real) real = (ssize_t(*)(int, const struct iovec*, int))dlsym(RTLD_NEXT, "writev");
  burn();
  return real(fd, from, count);
}
