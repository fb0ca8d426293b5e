#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstring>

#include "port/netlink.h"

namespace flatproxy {
namespace {

NetlinkAttribute find(const uint8_t* at, size_t left, uint16_t type, size_t least) {
  while (left >= sizeof(nlattr)) {
    nlattr header;
    std::memcpy(&header, at, sizeof(header));
    if (header.nla_len < sizeof(nlattr) || header.nla_len > left) break;
    const size_t length = header.nla_len - sizeof(nlattr);
    if ((header.nla_type & NLA_TYPE_MASK) == type) {
      return length >= least ? NetlinkAttribute{at + sizeof(nlattr), length} : NetlinkAttribute{};
    }
    const size_t step = NLA_ALIGN(header.nla_len);
    if (step >= left) break;
    at += step;
    left -= step;
  }
  return {};
}

}  // namespace

uint32_t NetlinkAttribute::u32() const {
  uint32_t value = 0;
  if (length >= sizeof(value)) std::memcpy(&value, data, sizeof(value));
  return value;
}

std::string NetlinkAttribute::text() const {
  const char* characters = reinterpret_cast<const char*>(data);
  return data == nullptr ? std::string() : std::string(characters, strnlen(characters, length));
}

NetlinkAttribute find_attribute(const nlmsghdr* message, size_t fixed, uint16_t type, size_t least) {
  const size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(fixed);
  if (message->nlmsg_len <= skip) return {};
  return find(reinterpret_cast<const uint8_t*>(message) + skip, message->nlmsg_len - skip, type, least);
}

NetlinkAttribute find_attribute(const NetlinkAttribute& nest, uint16_t type, size_t least) {
  return nest ? find(nest.data, nest.length, type, least) : NetlinkAttribute{};
}

void NetlinkRequest::put(const void* data, size_t length) {
  const auto* from = static_cast<const uint8_t*>(data);
  bytes_.insert(bytes_.end(), from, from + length);
  bytes_.resize(NLMSG_ALIGN(bytes_.size()));
  header()->nlmsg_len = static_cast<uint32_t>(bytes_.size());
}

NetlinkRequest& NetlinkRequest::attribute(uint16_t type, const void* data, size_t length) {
  const nlattr head{static_cast<uint16_t>(sizeof(nlattr) + length), type};
  put(&head, sizeof(head));
  put(data, length);
  return *this;
}

size_t NetlinkRequest::open(uint16_t type) {
  const size_t nested = bytes_.size();
  attribute(type, nullptr, 0);
  return nested;
}

void NetlinkRequest::close(size_t nested) {
  reinterpret_cast<nlattr*>(&bytes_[nested])->nla_len = static_cast<uint16_t>(bytes_.size() - nested);
}

LinkInfo parse_link(const nlmsghdr* message) {
  LinkInfo link;
  if (message->nlmsg_len < NLMSG_LENGTH(sizeof(ifinfomsg))) return link;
  const auto* body = static_cast<const ifinfomsg*>(NLMSG_DATA(message));
  const auto get = [&](uint16_t type, size_t least) { return find_attribute(message, sizeof(ifinfomsg), type, least); };
  link.index = static_cast<uint32_t>(body->ifi_index);
  link.up = (body->ifi_flags & IFF_UP) != 0;
  link.name = get(IFLA_IFNAME, 0).text();
  link.mtu = get(IFLA_MTU, 4).u32();
  if (const auto mac = get(IFLA_ADDRESS, 6)) std::memcpy(link.mac.bytes.data(), mac.data, 6);
  link.qdisc = get(IFLA_QDISC, 0).text();
  if (const auto attached = find_attribute(get(IFLA_XDP, 0), IFLA_XDP_ATTACHED, 1)) {
    link.xdp = attached.data[0] != XDP_ATTACHED_NONE;
  }
  link.kind = find_attribute(get(IFLA_LINKINFO, 0), IFLA_INFO_KIND).text();
  if (link.kind == "veth") {
    if (const auto peer = get(IFLA_LINK, 4)) link.peer = peer.u32();
    if (const auto nsid = get(IFLA_LINK_NETNSID, 4)) link.peer_nsid = nsid.u32();
  }
  return link;
}

}  // namespace flatproxy
