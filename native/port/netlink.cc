#include "port/netlink.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "port/system_error.h"

namespace flatproxy {
namespace {

constexpr uint16_t kReplace = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;

ifinfomsg link_message(uint32_t index) {
  ifinfomsg body{};
  body.ifi_index = static_cast<int>(index);
  return body;
}

void put_address(NetlinkRequest& request, uint16_t type, const wire::Address& address) {
  if (address.is_v4()) {
    request.attribute(type, address.v4_bytes(), 4);
  } else {
    request.attribute(type, address.bytes.data(), 16);
  }
}

uint8_t family_of(const wire::Address& address) { return address.is_v4() ? AF_INET : AF_INET6; }

wire::Prefix parse_address(const nlmsghdr* message) {
  const auto* body = static_cast<const ifaddrmsg*>(NLMSG_DATA(message));
  const bool v4 = body->ifa_family == AF_INET;
  const size_t length = v4 ? 4 : 16;
  // IFA_LOCAL is the address of a point-to-point link, whose IFA_ADDRESS is the other end.
  auto found = find_attribute(message, sizeof(ifaddrmsg), IFA_LOCAL, length);
  if (!found) found = find_attribute(message, sizeof(ifaddrmsg), IFA_ADDRESS, length);
  if (!found) return {};
  const auto address = v4 ? wire::Address::from_v4(found.data) : wire::Address::from_v6(found.data);
  return {address, body->ifa_prefixlen};
}

}  // namespace

Netlink::Netlink() : socket_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
  if (!socket_) throw system_error("open a netlink socket", errno);
  const int on = 1;
  setsockopt(socket_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
  setsockopt(socket_.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
}

void Netlink::send(NetlinkRequest& request) {
  request.header()->nlmsg_seq = ++sequence_;
  if (::send(socket_.get(), request.bytes().data(), request.bytes().size(), 0) < 0) {
    throw system_error("send a netlink request", errno);
  }
}

int Netlink::receive(const std::function<void(const nlmsghdr*)>& each, bool until_done) {
  alignas(nlmsghdr) std::array<uint8_t, 65536> buffer;
  for (;;) {
    const ssize_t n = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_error("receive a netlink answer", errno);
    auto left = static_cast<uint32_t>(n);
    for (auto* m = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
      if (m->nlmsg_seq != sequence_) continue;
      if (m->nlmsg_type == NLMSG_DONE) return 0;
      if (m->nlmsg_type == NLMSG_ERROR) return -static_cast<const nlmsgerr*>(NLMSG_DATA(m))->error;
      each(m);
      if (!until_done) return 0;
    }
  }
}

int Netlink::transact(NetlinkRequest& request) {
  request.header()->nlmsg_flags |= NLM_F_ACK;
  send(request);
  return receive([](const nlmsghdr*) {}, true);
}

int Netlink::dump(NetlinkRequest& request, const std::function<void(const nlmsghdr*)>& each) {
  send(request);
  return receive(each, (request.header()->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP);
}

std::optional<LinkInfo> Netlink::find_link(const std::string& name) {
  NetlinkRequest request(RTM_GETLINK, 0, link_message(0));
  request.attribute(IFLA_IFNAME, name);
  std::optional<LinkInfo> link;
  const int error = dump(request, [&](const nlmsghdr* message) { link = parse_link(message); });
  if (error != 0 && error != ENODEV) throw system_error("look up interface '" + name + "'", error);
  return link;
}

std::optional<LinkInfo> Netlink::find_link(uint32_t index, uint32_t nsid) {
  NetlinkRequest request(RTM_GETLINK, 0, link_message(index));
  request.attribute(IFLA_TARGET_NETNSID, nsid);
  std::optional<LinkInfo> link;
  dump(request, [&](const nlmsghdr* message) { link = parse_link(message); });
  return link;
}

void Netlink::set_link(uint32_t index, const LinkChange& change) {
  ifinfomsg body = link_message(index);
  if (change.up) body.ifi_change |= IFF_UP;
  if (change.up.value_or(false)) body.ifi_flags |= IFF_UP;
  if (change.quiet) {
    body.ifi_change |= IFF_NOARP;
    body.ifi_flags |= IFF_NOARP;
  }
  NetlinkRequest request(RTM_NEWLINK, NLM_F_ACK, body);
  if (change.mac) request.attribute(IFLA_ADDRESS, change.mac->bytes.data(), 6);
  if (change.mtu) request.attribute(IFLA_MTU, *change.mtu);
  if (change.quiet) {
    const uint8_t none = 1;  // IN6_ADDR_GEN_MODE_NONE: no link-local address, so no DAD, RS or MLD
    const size_t families = request.open(IFLA_AF_SPEC | NLA_F_NESTED);
    const size_t inet6 = request.open(AF_INET6 | NLA_F_NESTED);
    request.attribute(IFLA_INET6_ADDR_GEN_MODE, &none, 1);
    request.close(inet6);
    request.close(families);
  }
  if (const int error = transact(request)) throw system_error("set up interface " + std::to_string(index), error);
}

void Netlink::add_address(uint32_t index, const wire::Prefix& prefix) {
  ifaddrmsg body{};
  body.ifa_family = family_of(prefix.address);
  body.ifa_prefixlen = prefix.length;
  body.ifa_flags = IFA_F_NODAD;
  body.ifa_index = index;
  NetlinkRequest request(RTM_NEWADDR, kReplace, body);
  put_address(request, IFA_LOCAL, prefix.address);
  put_address(request, IFA_ADDRESS, prefix.address);
  if (const int error = transact(request)) throw system_error("add address " + prefix.to_string(), error);
}

void Netlink::add_route(uint32_t index, const wire::Prefix& to, const std::optional<wire::Address>& via) {
  rtmsg body{};
  body.rtm_family = family_of(to.address);
  body.rtm_dst_len = to.length;
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = RTPROT_STATIC;
  body.rtm_scope = via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  body.rtm_type = RTN_UNICAST;
  NetlinkRequest request(RTM_NEWROUTE, kReplace, body);
  if (to.length != 0) put_address(request, RTA_DST, to.address);
  request.attribute(RTA_OIF, index);
  if (via) put_address(request, RTA_GATEWAY, *via);
  if (const int error = transact(request)) throw system_error("add route " + to.to_string(), error);
}

std::vector<wire::Prefix> Netlink::addresses(uint32_t index) {
  ifaddrmsg body{};
  body.ifa_index = index;
  NetlinkRequest request(RTM_GETADDR, NLM_F_DUMP, body);
  std::vector<wire::Prefix> all;
  const int error = dump(request, [&](const nlmsghdr* message) {
    if (message->nlmsg_len < NLMSG_LENGTH(sizeof(ifaddrmsg))) return;
    const wire::Prefix prefix = parse_address(message);
    if (prefix.length != 0) all.push_back(prefix);
  });
  if (error != 0) throw system_error("list addresses", error);
  return all;
}

}  // namespace flatproxy
