#include "port/link_monitor.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "port/netlink.h"
#include "port/system_error.h"

namespace flatproxy {

LinkMonitor::LinkMonitor(uint32_t index, bool up)
    : socket_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)),
      index_(index),
      state_(up ? State::up : State::down) {
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (!socket_ || bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    throw system_error("watch interfaces", errno);
  }
}

// True: one of the messages is about the interface.
bool LinkMonitor::read(const uint8_t* messages, size_t length) {
  bool said = false;
  auto left = static_cast<uint32_t>(length);
  for (auto* m = reinterpret_cast<const nlmsghdr*>(messages); NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
    if (m->nlmsg_type != RTM_NEWLINK && m->nlmsg_type != RTM_DELLINK) continue;
    if (static_cast<const ifinfomsg*>(NLMSG_DATA(m))->ifi_family != AF_UNSPEC) continue;  // a bridge's view of its port
    const LinkInfo link = parse_link(m);
    if (link.index != index_) continue;
    said = true;
    if (m->nlmsg_type == RTM_DELLINK) {
      state_.store(State::deleted, std::memory_order_relaxed);
    } else {
      state_.store(link.up ? State::up : State::down, std::memory_order_relaxed);
    }
  }
  return said;
}

bool LinkMonitor::check() {
  bool said = false;
  alignas(nlmsghdr) std::array<uint8_t, 16384> buffer;
  for (;;) {
    const ssize_t n = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (n > 0) {
      said |= read(buffer.data(), static_cast<size_t>(n));
    } else if (n == 0 || (errno != EINTR && errno != ENOBUFS)) {
      return said;
    } else if (errno == ENOBUFS) {  // messages were lost: ask for the present state, which comes as one more message
      ifinfomsg body{};
      body.ifi_index = static_cast<int>(index_);
      const NetlinkRequest request(RTM_GETLINK, 0, body);
      if (send(socket_.get(), request.bytes().data(), request.bytes().size(), 0) < 0) return said;
    }
  }
}

std::string LinkMonitor::reason() const {
  switch (state_.load(std::memory_order_relaxed)) {
    case State::up:
      return {};
    case State::down:
      return "the interface is down";
    case State::deleted:
      return "the interface was deleted, or moved to another network namespace";
  }
  return {};
}

}  // namespace flatproxy
