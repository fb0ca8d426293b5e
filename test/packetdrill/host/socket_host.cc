#include "socket_host.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "l3/tcp_reset.h"
#include "packet/frame.h"
#include "wire/embedded.h"
#include "wire/icmp.h"
#include "wire/protocol.h"
#include "wire/tuple_of.h"

namespace flatproxy::packetdrill {
namespace {

tcp::Secrets secrets_of(uint64_t seed) {
  const HashKey one = hash_key(seed);
  const HashKey two = hash_key(seed + 1);
  return {one,
          {{two.words[0], two.words[1]}},
          {{two.words[2], two.words[3]}},
          {{one.words[0] ^ two.words[1], one.words[2] ^ two.words[3]}}};
}

wire::Address address_of(const sockaddr* address, uint16_t& port) {
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    port = ntohs(v4->sin_port);
    return wire::Address::from_v4(&v4->sin_addr);
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
  port = ntohs(v6->sin6_port);
  return wire::Address::from_v6(&v6->sin6_addr);
}

void store_address(int domain, const wire::Address& from, uint16_t port, sockaddr* to, socklen_t* length) {
  if (to == nullptr || length == nullptr) return;
  if (domain == AF_INET) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, from.v4_bytes(), 4);
    std::memcpy(to, &v4, std::min<size_t>(*length, sizeof(v4)));
    *length = sizeof(v4);
    return;
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  std::memcpy(&v6.sin6_addr, from.bytes.data(), 16);
  std::memcpy(to, &v6, std::min<size_t>(*length, sizeof(v6)));
  *length = sizeof(v6);
}

int error_of(tcp::End end) {
  switch (end) {
    case tcp::End::reset:
      return ECONNRESET;
    case tcp::End::refused:
      return ECONNREFUSED;
    case tcp::End::connect_timeout:
    case tcp::End::timeout:
      return ETIMEDOUT;
    case tcp::End::unreachable:
      return EHOSTUNREACH;
    default:
      return 0;
  }
}

}  // namespace

SocketHost::SocketHost(const HostFlags& flags, uint64_t seed)
    : flags_(flags), stack_(flags.settings, 64, secrets_of(seed), buffers_, wire_) {
  stack_.set_time(static_cast<Nanoseconds>(now_us_) * 1000);
  wire_.set_time(now_us_);
}

SocketHost::~SocketHost() {
  while (!sockets_.empty()) close(sockets_.begin()->first);
}

SocketHost::Socket* SocketHost::find(int fd) {
  const auto found = sockets_.find(fd);
  return found == sockets_.end() ? nullptr : &found->second;
}
const SocketHost::Socket* SocketHost::find(int fd) const {
  const auto found = sockets_.find(fd);
  return found == sockets_.end() ? nullptr : &found->second;
}

// Time and packets.

int64_t SocketHost::next_timer_us() const {
  const Nanoseconds next = stack_.next_deadline();
  return next == kNever ? -1 : std::max(static_cast<int64_t>((next + 999) / 1000), now_us_);
}

void SocketHost::advance_to(int64_t time_us) {
  for (;;) {
    const int64_t next = next_timer_us();
    const bool fires = next >= 0 && next <= time_us;
    now_us_ = std::max(now_us_, fires ? next : time_us);
    stack_.set_time(static_cast<Nanoseconds>(now_us_) * 1000);
    wire_.set_time(now_us_);
    if (!fires) return;
    stack_.advance();
    settle();
  }
}

// Sends what is to be sent and hears what has happened, until there is nothing more.
void SocketHost::settle() {
  stack_.flush();
  bool any = false;
  while (tcp::Connection* c = stack_.take_ready()) {
    take_events(*c);
    any = true;
  }
  if (any) stack_.flush();
}

void SocketHost::take_events(tcp::Connection& c) {
  const uint8_t events = c.events;
  c.events = 0;
  if (c.owner == nullptr && (events & tcp::kOpened) != 0) {
    for (auto& [fd, s] : sockets_) {
      if (s.listener != c.listener) continue;
      c.owner = &s;
      s.accepted.push_back(&c);
      ++s.changes;
    }
  }
  auto* s = static_cast<Socket*>(c.owner);
  if (s == nullptr) return stack_.abort(c);
  ++s->changes;
  if ((events & tcp::kOpened) != 0) s->connecting = false;
  if ((events & tcp::kEnded) != 0 && s->connection == &c) {
    s->connecting = false;
    s->error = error_of(c.end);
  }
}

SocketHost::Socket* SocketHost::listener_at(const Segment* frame) {
  const auto port = static_cast<uint16_t>(frame->l4_ports);
  const wire::Address to = wire::destination_of(frame);
  for (auto& [fd, s] : sockets_) {
    if (s.listener != tcp::Stack::kNoListener && s.port == port && (s.address.unspecified() || s.address == to)) return &s;
  }
  return nullptr;
}

void SocketHost::packet_arrives(const uint8_t* packet, size_t size) {
  Segment* frame = frame_of_packet(packet, size, buffers_);
  if (frame == nullptr) return;
  if (frame->protocol != wire::protocol::kTcp) {
    take_icmp(frame);
    release(frame);
  } else {
    Socket* s = listener_at(frame);
    const tcp::Fate fate = stack_.input(frame, s != nullptr ? s->listener : tcp::Stack::kNoListener);
    if (fate == tcp::Fate::unclaimed) {
      if (Segment* reset = make_reset(buffers_, frame); reset != nullptr) wire_.send(reset);
    }
    if (fate != tcp::Fate::taken) release(frame);
  }
  settle();
}

void SocketHost::take_icmp(Segment* frame) {
  Tuple sent;
  wire::EmbeddedView view;
  Reason why;
  if (!wire::is_icmp_error(frame) || !wire::embedded_tuple(frame, sent, view, why)) return;
  const uint8_t* icmp = frame->data + frame->l4_offset;
  const tcp::Sequence sequence = wire::load32(frame->data + view.l4_offset + wire::TcpView::kSequence);
  const bool v4 = frame->family == 4;
  if (v4 ? icmp[0] == wire::icmp4::kUnreachable && icmp[1] == 4 : icmp[0] == wire::icmp6::kPacketTooBig) {
    stack_.packet_too_big(sent, sequence, v4 ? wire::load16(icmp + 6) : wire::load32(icmp + 4));
  } else if (icmp[0] == (v4 ? wire::icmp4::kUnreachable : wire::icmp6::kUnreachable)) {
    stack_.unreachable(sent, sequence);
  }
}

// Sockets.

int SocketHost::socket(int fd, int domain) {
  Socket& s = sockets_[fd];
  s = {};
  s.domain = domain;
  s.send_buffer = flags_.send_buffer;
  return fd;
}

Result SocketHost::bind(int fd, const sockaddr* address) {
  Socket* s = find(fd);
  if (s == nullptr) return -EBADF;
  if (address == nullptr) return -EFAULT;
  s->address = address_of(address, s->port);
  s->bound = true;
  return 0;
}

Result SocketHost::listen(int fd, int backlog) {
  Socket* s = find(fd);
  if (s == nullptr) return -EBADF;
  if (s->connection != nullptr) return -EINVAL;
  if (s->listener == tcp::Stack::kNoListener) {
    s->listener = stack_.listen(static_cast<uint32_t>(std::max(backlog, 1)), mtu_of(*s));
  }
  return 0;
}

Result SocketHost::accept(int fd, int as, sockaddr* address, socklen_t* length) {
  Socket* s = find(fd);
  if (s == nullptr) return -EBADF;
  if (s->listener == tcp::Stack::kNoListener) return -EINVAL;
  if (s->accepted.empty()) return -EAGAIN;
  tcp::Connection* c = s->accepted.front();
  s->accepted.pop_front();
  const int domain = s->domain;
  store_address(domain, c->tuple.destination, c->tuple.destination_port, address, length);
  Socket child;
  child.domain = domain;
  child.options = s->options;
  child.send_buffer = s->send_buffer;
  Socket& made = sockets_[as];
  made = std::move(child);
  made.connection = c;
  c->owner = &made;
  apply_options(made);
  if (c->state == tcp::State::closed) made.error = error_of(c->end);
  return as;
}

Result SocketHost::connect(int fd, const sockaddr* address) {
  Socket* s = find(fd);
  if (s == nullptr) return -EBADF;
  if (address == nullptr) return -EFAULT;
  if (s->connection != nullptr) return s->connecting ? -EALREADY : -EISCONN;
  Tuple tuple;
  tuple.destination = address_of(address, tuple.destination_port);
  tuple.family = tuple.destination.is_v4() ? 4 : 6;
  tuple.protocol = wire::protocol::kTcp;
  const char* any = tuple.family == 4 ? "192.168.0.1" : "fd3d:fa7b:d17d::1";
  tuple.source = s->bound && !s->address.unspecified() ? s->address : *wire::Address::parse(any);
  tuple.source_port = s->port != 0 ? s->port : next_port_++;
  s->connection = stack_.connect(tuple, {s, mtu_of(*s)});
  if (s->connection == nullptr) return -EADDRNOTAVAIL;
  s->connecting = true;
  apply_options(*s);
  settle();
  return -EINPROGRESS;
}

Result SocketHost::connected(int fd) const {
  const Socket* s = find(fd);
  if (s == nullptr || s->connection == nullptr) return -EBADF;
  if (s->connecting) return -EINPROGRESS;
  return s->connection->state == tcp::State::closed ? -error_of(s->connection->end) : 0;
}

Result SocketHost::read(int fd, uint8_t* to, size_t n) {
  Socket* s = find(fd);
  if (s == nullptr) return -EBADF;
  if (s->connection == nullptr) return -ENOTCONN;
  tcp::Connection& c = *s->connection;
  if (c.received.empty()) {
    if (s->error != 0) return -std::exchange(s->error, 0);
    if (c.peer_closed() || c.state == tcp::State::closed || s->shut_read) return 0;
    return s->connecting ? -ENOTCONN : -EAGAIN;
  }
  if (to == nullptr) return -EFAULT;
  const uint32_t taken = c.received.copy_out(to, static_cast<uint32_t>(n));
  stack_.taken(c);
  settle();
  return taken;
}

Result SocketHost::write(int fd, const uint8_t* from, size_t n, bool more) {
  Socket* s = find(fd);
  if (s == nullptr) return -EBADF;
  if (s->connection == nullptr) return -EPIPE;
  tcp::Connection& c = *s->connection;
  if (s->error != 0) return -std::exchange(s->error, 0);
  if (c.state == tcp::State::closed || c.has(tcp::kFinQueued)) return -EPIPE;
  if (s->connecting) return -EAGAIN;
  if (from == nullptr) return -EFAULT;
  const uint32_t queued = c.to_send.bytes();
  const size_t room = queued < s->send_buffer ? s->send_buffer - queued : 0;
  const size_t take = std::min(n, room);
  if (take == 0 && n > 0) return -EAGAIN;
  // MSG_MORE holds back what this call brings, until something else has it sent.
  if (more) c.set(tcp::kCork);
  const uint32_t written = stack_.send(c, from, static_cast<uint32_t>(take));
  settle();
  if (more && !s->hard_cork) c.unset(tcp::kCork);
  return written;
}

Result SocketHost::shutdown(int fd, int how) {
  Socket* s = find(fd);
  if (s == nullptr) return -EBADF;
  if (s->connection == nullptr || s->connecting) return -ENOTCONN;
  if (how != SHUT_WR) s->shut_read = true;
  if (how != SHUT_RD) stack_.shut_down(*s->connection);
  settle();
  return 0;
}

Result SocketHost::close(int fd) {
  Socket* s = find(fd);
  if (s == nullptr) return -EBADF;
  for (tcp::Connection* c : s->accepted) stack_.abort(*c);
  if (s->listener != tcp::Stack::kNoListener) stack_.unlisten(s->listener);
  if (s->connection != nullptr) {
    if (s->linger_reset) {
      stack_.abort(*s->connection);
    } else {
      stack_.close(*s->connection);
    }
  }
  sockets_.erase(fd);
  settle();
  return 0;
}

Result SocketHost::readable_bytes(int fd) const {
  const Socket* s = find(fd);
  if (s == nullptr) return -EBADF;
  return s->connection == nullptr ? 0 : s->connection->received.bytes();
}

short SocketHost::poll(int fd, short events) const {
  const Socket* s = find(fd);
  if (s == nullptr) return POLLNVAL;
  if (s->listener != tcp::Stack::kNoListener) return s->accepted.empty() ? 0 : events & (POLLIN | POLLRDNORM);
  if (s->connection == nullptr) return static_cast<short>(POLLHUP | (events & POLLOUT));
  const tcp::Connection& c = *s->connection;
  int is = 0;
  const bool ended = c.state == tcp::State::closed;
  const bool read_side = c.peer_closed() || ended || s->shut_read;
  if (!c.received.empty() || read_side) is |= POLLIN | POLLRDNORM;
  if (read_side) is |= POLLRDHUP;
  const bool room = c.to_send.bytes() < s->send_buffer * 2 / 3 + 1;
  if (!s->connecting && (room || ended || c.has(tcp::kFinQueued))) is |= POLLOUT | POLLWRNORM;
  int result = is & events;
  if (s->error != 0) result |= POLLERR;
  if (ended || (c.peer_closed() && c.has(tcp::kFinQueued))) result |= POLLHUP;
  return static_cast<short>(result);
}

uint64_t SocketHost::changes(int fd) const {
  const Socket* s = find(fd);
  return s == nullptr ? 0 : s->changes;
}
bool SocketHost::non_blocking(int fd) const {
  const Socket* s = find(fd);
  return s == nullptr || s->non_blocking;
}
const tcp::Connection* SocketHost::connection(int fd) const {
  const Socket* s = find(fd);
  return s == nullptr ? nullptr : s->connection;
}

}  // namespace flatproxy::packetdrill
