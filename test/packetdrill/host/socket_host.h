#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "tcp/stack.h"
#include "wire_tap.h"

namespace flatproxy::packetdrill {

/// Settings by the names that scripts use for the kernel's: mtu, tcp_timestamps, tcp_sack, tcp_ecn...
struct HostFlags {
  tcp::Settings settings;
  uint32_t send_buffer = 256 * 1024;  ///< bytes that a socket queues

  /// "key=value,key=value"; blanks in a value are written '/'. Unknown keys are ignored, malformed ones are named on
  /// stderr.
  static HostFlags parse(const char* text);
};

/// What a call has come to: a value, or a negative errno. kWouldBlock: a blocking call has to wait.
using Result = int64_t;

/// A host with sockets over the TCP under test, in virtual time. It makes no threads and never waits: blocking calls are
/// for its caller to repeat when something has happened.
class SocketHost {
 public:
  explicit SocketHost(const HostFlags& flags, uint64_t seed = 1);
  ~SocketHost();

  int64_t now_us() const { return now_us_; }
  /// Lets time pass, timers included.
  void advance_to(int64_t time_us);
  /// When the next timer fires, -1: none is set.
  int64_t next_timer_us() const;

  void packet_arrives(const uint8_t* packet, size_t size);
  std::deque<SentPacket>& sent() { return wire_.sent(); }

  /// @param domain AF_INET or AF_INET6; IPv4 over AF_INET6 by ::ffff: addresses
  int socket(int fd, int domain);
  bool has(int fd) const { return sockets_.contains(fd); }
  Result bind(int fd, const sockaddr* address);
  Result listen(int fd, int backlog);
  /// The connection becomes socket `as`. -EAGAIN: there is none.
  Result accept(int fd, int as, sockaddr* address, socklen_t* length);
  /// -EINPROGRESS: has begun; the second call tells how it is.
  Result connect(int fd, const sockaddr* address);
  Result connected(int fd) const;
  Result read(int fd, uint8_t* to, size_t n);
  /// @param more MSG_MORE
  Result write(int fd, const uint8_t* from, size_t n, bool more = false);
  Result shutdown(int fd, int how);
  Result close(int fd);
  Result set_option(int fd, int level, int name, const void* value, socklen_t length);
  Result get_option(int fd, int level, int name, void* value, socklen_t* length);
  Result set_flags(int fd, int flags);
  Result flags(int fd) const;
  Result readable_bytes(int fd) const;
  /// poll()'s revents.
  short poll(int fd, short events) const;
  /// How often something has happened to the socket: edge-triggered waiters compare.
  uint64_t changes(int fd) const;
  bool non_blocking(int fd) const;
  const tcp::Connection* connection(int fd) const;

 private:
  struct Socket {
    int domain = 0;
    bool non_blocking = false;
    bool bound = false;
    bool connecting = false;
    bool shut_read = false;
    bool linger_reset = false;
    bool hard_cork = false;
    wire::Address address;
    uint16_t port = 0;
    uint16_t listener = tcp::Stack::kNoListener;
    std::deque<tcp::Connection*> accepted;
    tcp::Connection* connection = nullptr;
    uint32_t options = 0;       // tcp::Flag set before there is a connection
    uint16_t max_segment = 0;   // TCP_MAXSEG
    uint8_t traffic_class = 0;  // IP_TOS
    uint32_t user_timeout = 0;  // milliseconds, 0: the host's
    uint32_t send_buffer = 0;
    int error = 0;
    uint64_t changes = 0;
  };

  Socket* find(int fd);
  const Socket* find(int fd) const;
  Socket* listener_at(const Segment* frame);
  void settle();
  void take_events(tcp::Connection& c);
  void apply_options(Socket& s);
  static uint16_t mtu_of(const Socket& s);
  void take_icmp(Segment* frame);

  HostFlags flags_;
  Buffers buffers_{16384, 4096, 16384};
  WireTap wire_{buffers_};
  tcp::Stack stack_;
  int64_t now_us_ = 1'000'000'000;
  uint16_t next_port_ = 40000;
  std::map<int, Socket> sockets_;
};

}  // namespace flatproxy::packetdrill
