// The floor for a tap port: carries frames between two taps, large ones whole, and looks at none.
// forwarder NETNS-PATH NAME NETNS-PATH NAME: makes a tap of each name in each namespace, prints "ready", forwards.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { kBurst = 32, kFrameBytes = 12 + 14 + 65536 };

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static void enter(const char* netns) {
  const int fd = open(netns, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) fail(netns);
  close(fd);
}

// The same flags, header and offloads as flatproxy's taps.
static int open_tap(const char* netns, const char* name) {
  enter(netns);
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) fail("/dev/net/tun");
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  const int header = 12;
  const unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  if (ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header) < 0 ||
      ioctl(fd, TUNSETOFFLOAD, offloads) < 0) {
    fail(name);
  }
  return fd;
}

// The frames that were read; those that the other tap does not take are lost.
static int forward(int from, int to) {
  static char frame[kFrameBytes];
  int frames = 0;
  for (; frames < kBurst; ++frames) {
    const ssize_t length = read(from, frame, sizeof frame);
    if (length <= 0) break;
    if (write(to, frame, length) < 0 && errno != EAGAIN && errno != EIO) fail("write");
  }
  return frames;
}

int main(int count, char** arguments) {
  if (count != 5) {
    fprintf(stderr, "usage: forwarder NETNS-PATH NAME NETNS-PATH NAME\n");
    return 2;
  }
  const int left = open_tap(arguments[1], arguments[2]);
  const int right = open_tap(arguments[3], arguments[4]);
  puts("ready");
  fflush(stdout);
  struct pollfd both[] = {{left, POLLIN, 0}, {right, POLLIN, 0}};
  for (;;) {
    const int frames = forward(left, right) + forward(right, left);
    if (frames == 0 && poll(both, 2, -1) < 0) fail("poll");
  }
}
