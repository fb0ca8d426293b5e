#include "port/tap_device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "port/system_error.h"
#include "port/vnet_header.h"

namespace flatproxy {
namespace {

constexpr const char* kDevice = "/dev/net/tun";

Fd open_device() {
  Fd fd(open(kDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (fd) return fd;
  if (errno == ENOENT) {
    throw Error("ERR_FLATPROXY_NOT_FOUND", std::string(kDevice) + " does not exist",
                "load the module (modprobe tun); in a container pass the device on (--device /dev/net/tun)");
  }
  if (errno == ENODEV || errno == ENXIO) {
    throw Error("ERR_FLATPROXY_UNSUPPORTED", "the kernel has no tun driver", "load the module: modprobe tun");
  }
  throw system_error(std::string("open ") + kDevice, errno, "read and write permission on it");
}

void attach(int fd, ifreq& request) {
  if (ioctl(fd, TUNSETIFF, &request) == 0) return;
  const std::string name = request.ifr_name;
  if (errno == EBUSY || errno == EINVAL || errno == EEXIST) {
    throw Error("ERR_FLATPROXY_IN_USE", "an interface '" + name + "' exists already in this network namespace",
                "choose another name, or remove it: ip link del " + name);
  }
  throw system_error("create tap device '" + name + "'", errno);
}

void set_offloads(int fd) {
  const int header = sizeof(VnetHeader);
  if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0) throw system_error("set a tap's header size", errno);
  constexpr unsigned kOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  if (ioctl(fd, TUNSETOFFLOAD, kOffloads) < 0) throw system_error("set a tap's offloads", errno);
}

}  // namespace

TapDevice TapDevice::create(const std::string& name, unsigned queues) {
  if (name.empty() || name.size() >= IFNAMSIZ) {
    throw Error("ERR_FLATPROXY_CONFIG", "tap name '" + name + "' must have 1 to 15 characters",
                "choose a shorter name");
  }
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (queues > 1) request.ifr_flags |= IFF_MULTI_QUEUE;
  std::memcpy(request.ifr_name, name.c_str(), name.size());
  TapDevice tap;
  for (unsigned i = 0; i < queues; ++i) {
    tap.queues.push_back(open_device());
    attach(tap.queues.back().get(), request);  // from the second queue on, the name that the kernel chose
    set_offloads(tap.queues.back().get());
  }
  tap.name = request.ifr_name;
  tap.index = if_nametoindex(request.ifr_name);
  return tap;
}

}  // namespace flatproxy
