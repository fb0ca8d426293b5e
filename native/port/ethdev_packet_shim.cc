// What net_af_packet of DPDK 22.11 does wrong, put right where it calls the kernel: the linker's --wrap
// (scripts/lib/dpdk.mjs) brings its calls here.
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

extern "C" {

int __real_setsockopt(int fd, int level, int name, const void* value, socklen_t length);

// It asks the kernel to reassemble IPv4 packets (PACKET_FANOUT_FLAG_DEFRAG), into frames that do not fit its ring: a
// packet in fragments would be lost. Without it, fragments come as they came on the wire.
int __wrap_setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  int group = 0;
  if (level != SOL_PACKET || name != PACKET_FANOUT || length != sizeof(group)) {
    return __real_setsockopt(fd, level, name, value, length);
  }
  std::memcpy(&group, value, sizeof(group));
  group &= ~(PACKET_FANOUT_FLAG_DEFRAG << 16);
  return __real_setsockopt(fd, level, name, &group, length);
}

ssize_t __real_sendto(int fd, const void* data, size_t length, int flags, const sockaddr* to, socklen_t size);

// When the kernel refuses to look at its ring (the interface is down or gone) it says that it has sent nothing, having
// released the packets: its caller would release them again. ENOBUFS it takes for frames that are sent later.
ssize_t __wrap_sendto(int fd, const void* data, size_t length, int flags, const sockaddr* to, socklen_t size) {
  const ssize_t n = __real_sendto(fd, data, length, flags, to, size);
  const bool asks_for_ring = data == nullptr && length == 0 && to == nullptr;
  if (n < 0 && asks_for_ring && errno != EAGAIN) errno = ENOBUFS;
  return n;
}

}  // extern "C"
