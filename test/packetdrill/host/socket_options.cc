// Socket options, flags and the settings of a host.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "socket_host.h"
#include "tcp/emit.h"

namespace flatproxy::packetdrill {
namespace {

uint32_t number(std::string_view text) {
  uint32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// The last of "min/default/max".
uint32_t last_number(std::string_view text) { return number(text.substr(text.rfind('/') + 1)); }
uint32_t middle_number(std::string_view text) {
  const size_t first = text.find('/');
  return first == std::string_view::npos ? number(text) : number(text.substr(first + 1));
}

void set(HostFlags& flags, std::string_view key, std::string_view value) {
  tcp::Settings& s = flags.settings;
  const bool on = number(value) != 0;
  if (key == "mtu") s.mtu4 = s.mtu6 = static_cast<uint16_t>(number(value));
  if (key == "tcp_timestamps") s.timestamps = on;
  if (key == "tcp_sack") s.sack = on;
  if (key == "tcp_window_scaling") s.window_scaling = on;
  if (key == "tcp_ecn") s.ecn = number(value) == 1 ? tcp::Ecn::request : on ? tcp::Ecn::accept : tcp::Ecn::off;
  if (key == "tcp_early_retrans") s.tail_loss_probe = on;
  if (key == "tcp_slow_start_after_idle") s.slow_start_after_idle = on;
  if (key == "tcp_congestion_control") s.congestion = value == "reno" ? &tcp::new_reno() : &tcp::cubic();
  if (key == "tcp_user_timeout" && on) s.user_timeout = number(value) * tcp::kMillisecond;
  if (key == "tcp_wmem") flags.send_buffer = std::max(middle_number(value), last_number(value));
  if (key == "tcp_rmem") {
    s.max_receive_buffer = std::max(last_number(value), 4096u);
    s.initial_receive_window = std::min(s.initial_receive_window, s.max_receive_buffer);
    s.window_shift = 0;
    while (s.max_receive_buffer >> s.window_shift > 65535) ++s.window_shift;
  }
}

int int_of(const void* value, socklen_t length) {
  int number = 0;
  std::memcpy(&number, value, std::min<size_t>(length, sizeof(number)));
  return number;
}

}  // namespace

HostFlags HostFlags::parse(const char* text) {
  HostFlags flags;
  flags.send_buffer = 4 << 20;
  std::string_view rest = text == nullptr ? "" : text;
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    const size_t equals = one.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      if (!one.empty()) {
        std::fprintf(stderr, "not key=value, ignored: %.*s\n", static_cast<int>(one.size()), one.data());
      }
      continue;
    }
    set(flags, one.substr(0, equals), one.substr(equals + 1));
  }
  return flags;
}

uint16_t SocketHost::mtu_of(const Socket& s) {
  if (s.max_segment == 0) return 0;
  // What the segment's headers add: the family is the address's, not the socket's.
  const bool v4 = s.domain == AF_INET || (s.bound && s.address.is_v4());
  return static_cast<uint16_t>(s.max_segment + (v4 ? 40 : 60));
}

void SocketHost::apply_options(Socket& s) {
  if (s.connection == nullptr) return;
  tcp::Connection& c = *s.connection;
  c.flags = (c.flags & ~uint32_t{tcp::kNoDelay | tcp::kCork}) | s.options;
  c.traffic_class = s.traffic_class;
  if (s.user_timeout != 0) c.user_timeout = s.user_timeout;
  stack_.poke(c);
}

Result SocketHost::set_option(int fd, int level, int name, const void* value, socklen_t length) {
  Socket* s = find(fd);
  if (s == nullptr) return -EBADF;
  if (value == nullptr) return -EFAULT;
  const int number = int_of(value, length);
  const auto flag = [&](tcp::Flag which) {
    s->options = number != 0 ? s->options | which : s->options & ~uint32_t{which};
  };
  if (level == SOL_SOCKET) {
    if (name == SO_SNDBUF) s->send_buffer = 2 * static_cast<uint32_t>(number);
    if (name == SO_LINGER && length >= sizeof(linger)) {
      linger how;
      std::memcpy(&how, value, sizeof(how));
      s->linger_reset = how.l_onoff != 0 && how.l_linger == 0;
    }
  } else if (level == IPPROTO_TCP) {
    if (name == TCP_NODELAY) {
      flag(tcp::kNoDelay);
      // What is held back goes at once, corked or not.
      if (number != 0 && s->connection != nullptr) s->connection->small_end = s->connection->una;
      if (number != 0) s->options &= ~uint32_t{tcp::kCork};
    }
    if (name == TCP_CORK) {
      flag(tcp::kCork);
      s->hard_cork = number != 0;
    }
    if (name == TCP_MAXSEG) {
      if (number < 88 || number > 65535 - 60) return -EINVAL;
      s->max_segment = static_cast<uint16_t>(number);
      if (s->listener != tcp::Stack::kNoListener) stack_.set_mtu(s->listener, mtu_of(*s));
    }
    if (name == TCP_USER_TIMEOUT) s->user_timeout = static_cast<uint32_t>(number);
  } else if (level == IPPROTO_IP && name == IP_TOS) {
    s->traffic_class = static_cast<uint8_t>(number & ~3);
  }
  apply_options(*s);
  settle();
  return 0;
}

Result SocketHost::get_option(int fd, int level, int name, void* value, socklen_t* length) {
  Socket* s = find(fd);
  if (s == nullptr) return -EBADF;
  if (value == nullptr || length == nullptr) return -EFAULT;
  int number = 0;
  if (level == SOL_SOCKET && name == SO_ERROR) number = std::exchange(s->error, 0);
  if (level == SOL_SOCKET && name == SO_SNDBUF) number = static_cast<int>(s->send_buffer);
  if (level == IPPROTO_TCP && name == TCP_NODELAY) number = (s->options & tcp::kNoDelay) != 0;
  if (level == IPPROTO_TCP && name == TCP_CORK) number = (s->options & tcp::kCork) != 0;
  if (level == IPPROTO_TCP && name == TCP_USER_TIMEOUT) number = static_cast<int>(s->user_timeout);
  if (level == IPPROTO_TCP && name == TCP_MAXSEG) {
    number = s->connection != nullptr ? s->connection->mss : s->max_segment != 0 ? s->max_segment : 536;
  }
  if (level == IPPROTO_IP && name == IP_TOS) number = s->traffic_class;
  const socklen_t size = std::min<socklen_t>(*length, sizeof(number));
  std::memcpy(value, &number, size);
  *length = size;
  return 0;
}

Result SocketHost::set_flags(int fd, int flags) {
  Socket* s = find(fd);
  if (s == nullptr) return -EBADF;
  s->non_blocking = (flags & O_NONBLOCK) != 0;
  return 0;
}

Result SocketHost::flags(int fd) const {
  const Socket* s = find(fd);
  if (s == nullptr) return -EBADF;
  return O_RDWR | (s->non_blocking ? O_NONBLOCK : 0);
}

}  // namespace flatproxy::packetdrill
