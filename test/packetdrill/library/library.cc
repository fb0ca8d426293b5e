// libflatproxy_packetdrill.so: lets packetdrill (run with --so_filename) drive the TCP of native/tcp.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <vector>

#include "interface.h"
#include "session.h"

namespace flatproxy::packetdrill {
namespace {

Session& session(void* userdata) { return *static_cast<Session*>(userdata); }

// A system call's way to return.
template <typename Int>
Int returned(Result result) {
  if (result >= 0) return static_cast<Int>(result);
  errno = static_cast<int>(-result);
  return -1;
}

template <typename Int = int>
Int call(void* userdata, const std::function<Result(SocketHost&)>& attempt, bool may_block = false) {
  return returned<Int>(session(userdata).call(attempt, may_block));
}

// Calls on sockets block unless the socket or a flag of the call says otherwise.
template <typename Int = int>
Int socket_call(void* userdata, int fd, int flags, const std::function<Result(SocketHost&)>& attempt) {
  bool non_blocking = false;
  session(userdata).call([&](SocketHost& host) {
    non_blocking = host.non_blocking(fd);
    return 0;
  });
  return call<Int>(userdata, attempt, !non_blocking && (flags & MSG_DONTWAIT) == 0);
}

void free_session(void* userdata) { delete &session(userdata); }

int do_socket(void* userdata, int domain, int type, int) {
  if ((domain != AF_INET && domain != AF_INET6) || (type & 0xff) != SOCK_STREAM) {
    errno = EOPNOTSUPP;
    return -1;
  }
  const int fd = Session::new_descriptor();
  if (fd < 0) return -1;
  return call(userdata, [&](SocketHost& host) {
    host.socket(fd, domain);
    if ((type & SOCK_NONBLOCK) != 0) host.set_flags(fd, O_NONBLOCK);
    return Result{fd};
  });
}

int do_bind(void* userdata, int fd, const sockaddr* address, socklen_t) {
  return call(userdata, [&](SocketHost& host) { return host.bind(fd, address); });
}
int do_listen(void* userdata, int fd, int backlog) {
  return call(userdata, [&](SocketHost& host) { return host.listen(fd, backlog); });
}

int do_accept(void* userdata, int fd, sockaddr* address, socklen_t* length) {
  const int made = Session::new_descriptor();
  const int result =
      socket_call(userdata, fd, 0, [&](SocketHost& host) { return host.accept(fd, made, address, length); });
  if (result < 0) {
    const int error = errno;
    ::close(made);
    errno = error;
  }
  return result;
}

int do_connect(void* userdata, int fd, const sockaddr* address, socklen_t) {
  bool begun = false;
  return socket_call(userdata, fd, 0, [&](SocketHost& host) {
    if (!begun) {
      const Result result = host.connect(fd, address);
      if (result != -EINPROGRESS || host.non_blocking(fd)) return result;
      begun = true;
    }
    const Result result = host.connected(fd);
    return result == -EINPROGRESS ? Result{-EAGAIN} : result;
  });
}

// Reading and writing.

ssize_t do_readv_flags(void* userdata, int fd, const iovec* parts, int count, int flags) {
  return socket_call<ssize_t>(userdata, fd, flags, [&](SocketHost& host) -> Result {
    Result total = 0;
    for (int i = 0; i < count; ++i) {
      if (parts[i].iov_len == 0) continue;
      const Result got = host.read(fd, static_cast<uint8_t*>(parts[i].iov_base), parts[i].iov_len);
      if (got < 0) return total > 0 ? total : got;
      total += got;
      if (static_cast<size_t>(got) < parts[i].iov_len) break;
    }
    return total;
  });
}

ssize_t do_writev_flags(void* userdata, int fd, const iovec* parts, int count, int flags) {
  size_t done = 0;  // a blocking call writes everything, in several attempts
  return socket_call<ssize_t>(userdata, fd, flags, [&](SocketHost& host) -> Result {
    size_t skip = done;
    for (int i = 0; i < count; ++i) {
      const size_t length = parts[i].iov_len;
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const auto* bytes = static_cast<const uint8_t*>(parts[i].iov_base);
      const bool more = (flags & MSG_MORE) != 0 || i + 1 < count;
      const Result put = host.write(fd, bytes == nullptr ? nullptr : bytes + skip, length - skip, more);
      if (put < 0) return put == -EAGAIN || done == 0 ? put : static_cast<Result>(done);
      done += static_cast<size_t>(put);
      if (static_cast<size_t>(put) < length - skip) return -EAGAIN;
      skip = 0;
    }
    return static_cast<Result>(done);
  });
}

// What was written before there was no more room counts.
ssize_t written(void* userdata, int fd, const iovec* parts, int count, int flags) {
  size_t wanted = 0;
  for (int i = 0; i < count; ++i) wanted += parts[i].iov_len;
  uint64_t before = 0;
  const auto queued = [&](SocketHost& host) -> Result {
    const tcp::Connection* c = host.connection(fd);
    return c == nullptr ? 0 : static_cast<Result>(c->to_send.bytes());
  };
  before = static_cast<uint64_t>(session(userdata).call(queued));
  const ssize_t result = do_writev_flags(userdata, fd, parts, count, flags);
  if (result >= 0 || errno != EAGAIN) return result;
  const auto after = static_cast<uint64_t>(session(userdata).call(queued));
  if (after > before) return static_cast<ssize_t>(after - before);
  errno = EAGAIN;
  return -1;
}

iovec part(const void* buffer, size_t size) { return {const_cast<void*>(buffer), size}; }

ssize_t do_recv(void* userdata, int fd, void* buffer, size_t size, int flags) {
  const iovec one = part(buffer, size);
  return do_readv_flags(userdata, fd, &one, 1, flags);
}
ssize_t do_read(void* userdata, int fd, void* buffer, size_t size) { return do_recv(userdata, fd, buffer, size, 0); }
ssize_t do_readv(void* userdata, int fd, const iovec* parts, int count) {
  return do_readv_flags(userdata, fd, parts, count, 0);
}
ssize_t do_recvfrom(void* userdata, int fd, void* buffer, size_t size, int flags, sockaddr*, socklen_t*) {
  return do_recv(userdata, fd, buffer, size, flags);
}
ssize_t do_recvmsg(void* userdata, int fd, msghdr* message, int flags) {
  message->msg_flags = 0;
  message->msg_controllen = 0;
  return do_readv_flags(userdata, fd, message->msg_iov, static_cast<int>(message->msg_iovlen), flags);
}

ssize_t do_send(void* userdata, int fd, const void* buffer, size_t size, int flags) {
  const iovec one = part(buffer, size);
  return written(userdata, fd, &one, 1, flags);
}
ssize_t do_write(void* userdata, int fd, const void* buffer, size_t size) {
  return do_send(userdata, fd, buffer, size, 0);
}
ssize_t do_writev(void* userdata, int fd, const iovec* parts, int count) {
  return written(userdata, fd, parts, count, 0);
}
ssize_t do_sendto(void* userdata, int fd, const void* buffer, size_t size, int flags, const sockaddr*, socklen_t) {
  return do_send(userdata, fd, buffer, size, flags);
}
ssize_t do_sendmsg(void* userdata, int fd, const msghdr* message, int flags) {
  return written(userdata, fd, message->msg_iov, static_cast<int>(message->msg_iovlen), flags);
}

// Control.

int do_fcntl(void* userdata, int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  const int argument = command == F_SETFL ? va_arg(arguments, int) : 0;
  va_end(arguments);
  return call(userdata, [&](SocketHost& host) -> Result {
    if (!host.has(fd)) return -EBADF;
    if (command == F_GETFL) return host.flags(fd);
    return command == F_SETFL ? host.set_flags(fd, argument) : Result{-EINVAL};
  });
}

int do_ioctl(void* userdata, int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  int* argument = va_arg(arguments, int*);
  va_end(arguments);
  if (request != FIONREAD) {
    errno = ENOTTY;
    return -1;
  }
  const int bytes = call(userdata, [&](SocketHost& host) { return host.readable_bytes(fd); });
  if (bytes < 0) return -1;
  *argument = bytes;
  return 0;
}

int do_close(void* userdata, int fd) {
  Session& s = session(userdata);
  if (s.poll_sets.erase(fd) == 0) {
    const int result = call(userdata, [&](SocketHost& host) { return host.close(fd); });
    if (result < 0) return -1;
  }
  return ::close(fd);
}

int do_shutdown(void* userdata, int fd, int how) {
  return call(userdata, [&](SocketHost& host) { return host.shutdown(fd, how); });
}
int do_getsockopt(void* userdata, int fd, int level, int name, void* value, socklen_t* length) {
  return call(userdata, [&](SocketHost& host) { return host.get_option(fd, level, name, value, length); });
}
int do_setsockopt(void* userdata, int fd, int level, int name, const void* value, socklen_t length) {
  return call(userdata, [&](SocketHost& host) { return host.set_option(fd, level, name, value, length); });
}

// Waiting for several.

int do_poll(void* userdata, pollfd* fds, unsigned long count, int timeout) {
  const auto attempt = [&](SocketHost& host) -> Result {
    Result ready = 0;
    for (unsigned long i = 0; i < count; ++i) {
      fds[i].revents = host.poll(fds[i].fd, fds[i].events);
      ready += fds[i].revents != 0;
    }
    return ready == 0 && timeout != 0 ? Result{-EAGAIN} : ready;
  };
  const int ready = call(userdata, attempt, timeout < 0);
  return ready < 0 && errno == EAGAIN ? 0 : ready;
}

int do_epoll_create(void* userdata, int) {
  const int fd = Session::new_descriptor();
  if (fd >= 0) session(userdata).poll_sets[fd] = {};
  return fd;
}

int do_epoll_ctl(void* userdata, int set, int operation, int fd, epoll_event* event) {
  auto& sets = session(userdata).poll_sets;
  const auto found = sets.find(set);
  if (found == sets.end()) {
    errno = EBADF;
    return -1;
  }
  auto& watched = found->second.watched;
  const bool known = watched.contains(fd);
  if (known != (operation != EPOLL_CTL_ADD)) {
    errno = known ? EEXIST : ENOENT;
    return -1;
  }
  if (operation == EPOLL_CTL_DEL) {
    watched.erase(fd);
  } else {
    watched[fd] = {*event, ~uint64_t{0}};
  }
  return 0;
}

int do_epoll_wait(void* userdata, int set, epoll_event* events, int most, int) {
  auto& sets = session(userdata).poll_sets;
  const auto found = sets.find(set);
  if (found == sets.end()) {
    errno = EBADF;
    return -1;
  }
  return call(userdata, [&](SocketHost& host) -> Result {
    int count = 0;
    for (auto& [fd, w] : found->second.watched) {
      if (count == most) break;
      const auto asked = static_cast<short>(w.event.events | POLLERR | POLLHUP);
      const short is = host.poll(fd, asked);
      const bool edge = (w.event.events & EPOLLET) != 0;
      if (is == 0 || (edge && w.seen == host.changes(fd))) continue;
      w.seen = host.changes(fd);
      events[count] = w.event;
      events[count++].events = static_cast<uint32_t>(is);
    }
    return count;
  });
}

int do_pipe(void*, int[2]) {
  errno = EOPNOTSUPP;
  return -1;
}
int do_splice(void*, int, loff_t*, int, loff_t*, size_t, unsigned) {
  errno = EOPNOTSUPP;
  return -1;
}

// The wire and the clock.

int do_netdev_send(void* userdata, const void* packet, size_t size) {
  session(userdata).packet_arrives(packet, size);
  return 0;
}

int do_netdev_receive(void* userdata, void* buffer, size_t* size, long long* time_us) {
  const SentPacket packet = session(userdata).next_packet();
  if (packet.bytes.size() > *size) return -1;
  std::memcpy(buffer, packet.bytes.data(), packet.bytes.size());
  *size = packet.bytes.size();
  *time_us = packet.time_us;
  return 0;
}

int do_usleep(void* userdata, useconds_t microseconds) {
  session(userdata).sleep(microseconds);
  return 0;
}

int do_gettimeofday(void* userdata, timeval* time, void*) {
  const int64_t now = session(userdata).look_at_clock();
  *time = {.tv_sec = static_cast<time_t>(now / 1'000'000), .tv_usec = static_cast<suseconds_t>(now % 1'000'000)};
  return 0;
}

}  // namespace
}  // namespace flatproxy::packetdrill

__attribute__((visibility("default"))) void packetdrill_interface_init(const char* flags,
                                                                       flatproxy::packetdrill::Interface* interface) {
  using namespace flatproxy::packetdrill;
  *interface = {
      .userdata = new Session(HostFlags::parse(flags)),
      .free = free_session,
      .socket = do_socket,
      .bind = do_bind,
      .listen = do_listen,
      .accept = do_accept,
      .connect = do_connect,
      .read = do_read,
      .readv = do_readv,
      .recv = do_recv,
      .recvfrom = do_recvfrom,
      .recvmsg = do_recvmsg,
      .write = do_write,
      .writev = do_writev,
      .send = do_send,
      .sendto = do_sendto,
      .sendmsg = do_sendmsg,
      .fcntl = do_fcntl,
      .ioctl = do_ioctl,
      .close = do_close,
      .shutdown = do_shutdown,
      .getsockopt = do_getsockopt,
      .setsockopt = do_setsockopt,
      .poll = do_poll,
      .netdev_send = do_netdev_send,
      .netdev_receive = do_netdev_receive,
      .usleep = do_usleep,
      .gettimeofday = do_gettimeofday,
      .epoll_create = do_epoll_create,
      .epoll_ctl = do_epoll_ctl,
      .epoll_wait = do_epoll_wait,
      .pipe = do_pipe,
      .splice = do_splice,
  };
}
