#include "port/iface_unblock.h"

#include "port/bpf_pins.h"
#include "port/iface_attach.h"
#include "port/iface_lock.h"
#include "port/system_error.h"

namespace flatproxy {

size_t unblock(const std::string& interface) {
  Netlink netlink;
  const auto link = netlink.find_link(interface);
  if (!link) {
    throw Error("ERR_FLATPROXY_NOT_FOUND", "no interface '" + interface + "' in this network namespace",
                "ip link shows those that there are");
  }
  const Fd lock = lock_interface(link->name, link->index);
  unpin_orphans();
  return remove_leftovers(netlink, link->index, find_leftovers(netlink, link->index));
}

}  // namespace flatproxy
