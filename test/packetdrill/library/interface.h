#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>

#include <cstddef>

struct pollfd;
struct iovec;

namespace flatproxy::packetdrill {

/// The functions that packetdrill calls instead of the kernel's when it is given --so_filename: its struct
/// packetdrill_interface, member for member.
struct Interface {
  void* userdata;
  void (*free)(void*);
  int (*socket)(void*, int, int, int);
  int (*bind)(void*, int, const sockaddr*, socklen_t);
  int (*listen)(void*, int, int);
  int (*accept)(void*, int, sockaddr*, socklen_t*);
  int (*connect)(void*, int, const sockaddr*, socklen_t);
  ssize_t (*read)(void*, int, void*, size_t);
  ssize_t (*readv)(void*, int, const iovec*, int);
  ssize_t (*recv)(void*, int, void*, size_t, int);
  ssize_t (*recvfrom)(void*, int, void*, size_t, int, sockaddr*, socklen_t*);
  ssize_t (*recvmsg)(void*, int, msghdr*, int);
  ssize_t (*write)(void*, int, const void*, size_t);
  ssize_t (*writev)(void*, int, const iovec*, int);
  ssize_t (*send)(void*, int, const void*, size_t, int);
  ssize_t (*sendto)(void*, int, const void*, size_t, int, const sockaddr*, socklen_t);
  ssize_t (*sendmsg)(void*, int, const msghdr*, int);
  int (*fcntl)(void*, int, int, ...);
  int (*ioctl)(void*, int, unsigned long, ...);
  int (*close)(void*, int);
  int (*shutdown)(void*, int, int);
  int (*getsockopt)(void*, int, int, int, void*, socklen_t*);
  int (*setsockopt)(void*, int, int, int, const void*, socklen_t);
  int (*poll)(void*, pollfd*, unsigned long, int);
  int (*netdev_send)(void*, const void*, size_t);
  int (*netdev_receive)(void*, void*, size_t*, long long*);
  int (*usleep)(void*, useconds_t);
  int (*gettimeofday)(void*, timeval*, void*);
  int (*epoll_create)(void*, int);
  int (*epoll_ctl)(void*, int, int, int, epoll_event*);
  int (*epoll_wait)(void*, int, epoll_event*, int, int);
  int (*pipe)(void*, int[2]);
  int (*splice)(void*, int, loff_t*, int, loff_t*, size_t, unsigned);
};
static_assert(sizeof(void*) != 8 || sizeof(Interface) == 264);

}  // namespace flatproxy::packetdrill

extern "C" void packetdrill_interface_init(const char* flags, flatproxy::packetdrill::Interface* interface);
