#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "packet/frame.h"
#include "port/fd.h"
#include "port/netlink.h"
#include "port/netns.h"
#include "port/port.h"

// Kernel peers for the tests of ports: network namespaces without names, which go with the process.
namespace flatproxy::test {

class Netns {
 public:
  Netns() {
    std::thread([this] {
      if (unshare(CLONE_NEWNET) != 0) return;
      fd_ = Fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
      Netlink netlink;
      netlink.set_link(1, {.up = true});
    }).join();
  }
  explicit operator bool() const { return static_cast<bool>(fd_); }
  std::string path() const { return "/proc/" + std::to_string(owner_) + "/fd/" + std::to_string(fd_.get()); }
  template <typename Action>
  auto in(Action action) const {
    using Result = decltype(action());
    if constexpr (std::is_void_v<Result>) {
      in_netns(path(), action);
    } else {
      std::optional<Result> result;
      in_netns(path(), [&] { result.emplace(action()); });
      return std::move(*result);
    }
  }
  /// Runs a shell command inside; true: it succeeded.
  bool run(const std::string& command) const {
    return in([&] { return std::system(("{ " + command + "; } >/dev/null 2>&1").c_str()) == 0; });
  }

 private:
  pid_t owner_ = getpid();
  Fd fd_;
};

inline sockaddr_storage socket_address(const std::string& ip, uint16_t port, socklen_t* length) {
  sockaddr_storage storage{};
  if (ip.find(':') == std::string::npos) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    inet_pton(AF_INET, ip.c_str(), &v4->sin_addr);
    *length = sizeof(*v4);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    inet_pton(AF_INET6, ip.c_str(), &v6->sin6_addr);
    *length = sizeof(*v6);
  }
  return storage;
}

inline Fd listen_on(const Netns& netns, const std::string& ip, uint16_t port) {
  return netns.in([&] {
    socklen_t length;
    const auto address = socket_address(ip, port, &length);
    Fd fd(socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length), 0) << strerror(errno);
    EXPECT_EQ(listen(fd.get(), 128), 0);
    return fd;
  });
}

/// A connection, or an empty Fd when there is none within `milliseconds`.
inline Fd connect_to(const Netns& netns, const std::string& ip, uint16_t port, int milliseconds) {
  return netns.in([&] {
    socklen_t length;
    const auto address = socket_address(ip, port, &length);
    Fd fd(socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length);
    pollfd wait{fd.get(), POLLOUT, 0};
    int error = ETIMEDOUT;
    socklen_t size = sizeof(error);
    if (poll(&wait, 1, milliseconds) == 1) getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) fd.reset();
    if (fd) fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK);
    return fd;
  });
}

/// Sends a pattern of `bytes` bytes over a new connection; true: it arrived intact.
inline bool transfer(const Netns& client, const Netns& server, const std::string& ip, size_t bytes) {
  const Fd listener = listen_on(server, ip, 5001);
  const Fd out = connect_to(client, ip, 5001, 3000);
  if (!out) return false;
  const Fd in(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  std::thread sender([&] {
    std::vector<uint8_t> block(1 << 18);
    for (size_t sent = 0; sent < bytes;) {
      for (size_t i = 0; i < block.size(); ++i) block[i] = static_cast<uint8_t>((sent + i) * 0x9e3779b1u >> 24);
      const size_t n = std::min(block.size(), bytes - sent);
      if (send(out.get(), block.data(), n, MSG_NOSIGNAL) != static_cast<ssize_t>(n)) break;
      sent += n;
    }
    shutdown(out.get(), SHUT_WR);
  });
  timeval limit{10, 0};
  setsockopt(in.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(out.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  std::vector<uint8_t> block(1 << 18);
  size_t got = 0;
  bool intact = true;
  for (ssize_t n; (n = recv(in.get(), block.data(), block.size(), 0)) > 0; got += static_cast<size_t>(n)) {
    for (ssize_t i = 0; i < n; ++i) {
      intact &=
          block[static_cast<size_t>(i)] == static_cast<uint8_t>((got + static_cast<size_t>(i)) * 0x9e3779b1u >> 24);
    }
  }
  sender.join();
  return intact && got == bytes;
}

inline Nanoseconds monotonic_now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<Nanoseconds>(t.tv_sec) * 1000000000u + static_cast<Nanoseconds>(t.tv_nsec);
}

using Pairs = std::vector<std::pair<PortQueue*, PortQueue*>>;

/// A lane without an engine: joins ports in pairs, frames go from each to the other.
class Bridge {
 public:
  explicit Bridge(const Pairs& pairs) {
    for (auto [a, b] : pairs) {
      ways_.push_back({a, b});
      ways_.push_back({b, a});
    }
  }
  /// One pass over all ports; false: there was nothing.
  bool step() {
    QueueContext context{buffers_, monotonic_now()};
    bool moved = false;
    for (Way& way : ways_) {
      way.from->beat(context.now);
      Burst burst;
      way.from->receive(context, burst);
      if (burst.count == 0) continue;
      moved = true;
      for (const Segment* frame : burst) longest_ = std::max<uint32_t>(longest_, frame->frame_length);
      frames_ += burst.count;
      way.to->send(context, burst);
      for (Segment* frame : burst) release(frame);
    }
    return moved;
  }
  void run(const std::atomic<bool>& stop) {
    std::vector<pollfd> waits;
    for (const Way& way : ways_) waits.push_back({way.from->wait_fd(), POLLIN, 0});
    while (!stop.load(std::memory_order_relaxed)) {
      if (step()) continue;
      poll(waits.data(), waits.size(), 20);
      for (Way& way : ways_) way.from->readable();
    }
  }
  uint32_t longest() const { return longest_; }
  uint64_t frames() const { return frames_; }
  Buffers& buffers() { return buffers_; }

 private:
  struct Way {
    PortQueue* from;
    PortQueue* to;
  };
  std::vector<Way> ways_;
  Buffers buffers_;
  uint32_t longest_ = 0;
  uint64_t frames_ = 0;
};

/// A Bridge on a thread of its own.
class RunningBridge {
 public:
  explicit RunningBridge(const Pairs& pairs) : bridge_(pairs), thread_([this] { bridge_.run(stop_); }) {}
  ~RunningBridge() { stop(); }
  Bridge& stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return bridge_;
  }

 private:
  Bridge bridge_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace flatproxy::test
