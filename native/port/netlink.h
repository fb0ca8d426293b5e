#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "port/fd.h"
#include "wire/address.h"

namespace flatproxy {

/// One rtnetlink request: a fixed header and attributes, appended in order.
class NetlinkRequest {
 public:
  /// @param body the fixed structure that follows nlmsghdr (ifinfomsg, tcmsg, ...)
  template <typename Body>
  NetlinkRequest(uint16_t type, uint16_t flags, const Body& body) : bytes_(NLMSG_HDRLEN) {
    header()->nlmsg_type = type;
    header()->nlmsg_flags = static_cast<uint16_t>(flags | NLM_F_REQUEST);
    put(&body, sizeof(body));
  }
  NetlinkRequest& attribute(uint16_t type, const void* data, size_t length);
  NetlinkRequest& attribute(uint16_t type, uint32_t value) { return attribute(type, &value, sizeof(value)); }
  NetlinkRequest& attribute(uint16_t type, const std::string& text) {
    return attribute(type, text.c_str(), text.size() + 1);
  }
  /// Opens a nested attribute; close() gives it its length.
  size_t open(uint16_t type);
  void close(size_t nested);

  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_.data()); }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  void put(const void* data, size_t length);
  std::vector<uint8_t> bytes_;
};

/// An attribute's content inside a kernel message; nullptr when it is absent or shorter than `least` bytes.
struct NetlinkAttribute {
  const uint8_t* data = nullptr;
  size_t length = 0;
  explicit operator bool() const { return data != nullptr; }
  uint32_t u32() const;
  std::string text() const;
};
/// Finds an attribute among those that follow `fixed` bytes of a message's body.
NetlinkAttribute find_attribute(const nlmsghdr* message, size_t fixed, uint16_t type, size_t least = 0);
/// Finds one inside a nested attribute.
NetlinkAttribute find_attribute(const NetlinkAttribute& nest, uint16_t type, size_t least = 0);

/// What the kernel says of an interface.
struct LinkInfo {
  uint32_t index = 0;
  std::string name;
  wire::Mac mac;
  uint32_t mtu = 0;
  bool up = false;
  std::string kind;                   ///< "veth", "bridge", "tun", ...; empty for hardware
  std::string qdisc;                  ///< "noqueue", "mq", "fq_codel", ...
  bool xdp = false;                   ///< an XDP program sees what it receives
  std::optional<uint32_t> peer;       ///< a veth's other end
  std::optional<uint32_t> peer_nsid;  ///< the id of that end's network namespace, when it is another one
};

/// What set_link() shall change; what is absent stays.
struct LinkChange {
  std::optional<wire::Mac> mac = {};
  std::optional<uint32_t> mtu = {};
  std::optional<bool> up = {};
  bool quiet = false;  ///< no ARP, no IPv6 addresses of the kernel's own making
};

/// A socket to the kernel's rtnetlink, bound to the network namespace of the thread that makes it.
/// Every failure is thrown as a system_error() that says what was being done.
class Netlink {
 public:
  Netlink();

  std::optional<LinkInfo> find_link(const std::string& name);
  /// A link of another network namespace, by that namespace's id here; nullopt when it cannot be asked.
  std::optional<LinkInfo> find_link(uint32_t index, uint32_t nsid);
  void set_link(uint32_t index, const LinkChange& change);
  /// With nodad: an IPv6 address is usable at once.
  void add_address(uint32_t index, const wire::Prefix& prefix);
  void add_route(uint32_t index, const wire::Prefix& to, const std::optional<wire::Address>& via);
  /// The addresses of an interface, or of all of them (index 0), with their prefix lengths.
  std::vector<wire::Prefix> addresses(uint32_t index);

  /// Sends a request and waits for its acknowledgement. @returns 0 or the errno
  int transact(NetlinkRequest& request);
  /// Sends a dump (or get) request and hands each answer to `each`. @returns 0 or the errno
  int dump(NetlinkRequest& request, const std::function<void(const nlmsghdr*)>& each);

 private:
  void send(NetlinkRequest& request);
  // Hands on the answers to the last request; returns its final errno.
  int receive(const std::function<void(const nlmsghdr*)>& each, bool until_done);
  Fd socket_;
  uint32_t sequence_ = 0;
};

/// Reads an ifinfomsg message.
LinkInfo parse_link(const nlmsghdr* message);

}  // namespace flatproxy
