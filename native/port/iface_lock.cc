#include "port/iface_lock.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "port/system_error.h"

namespace flatproxy {
namespace {

pid_t holder_of(const sockaddr_un& address, socklen_t length) {
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (!fd || connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) return 0;
  return getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

}  // namespace

// An abstract socket: its name belongs to the network namespace, and goes when the last descriptor closes.
Fd lock_interface(const std::string& name, uint32_t index) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "flatproxy/iface/" + std::to_string(index);
  std::memcpy(address.sun_path + 1, path.data(), path.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + path.size());
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) throw system_error("open a socket", errno);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0) {
    listen(fd.get(), 1);
    return fd;
  }
  if (errno != EADDRINUSE) throw system_error("lock interface '" + name + "'", errno);
  const pid_t holder = holder_of(address, length);
  const std::string who = holder == 0 ? "another process" : "process " + std::to_string(holder);
  throw Error("ERR_FLATPROXY_IN_USE", "interface '" + name + "' is already taken by " + who,
              "stop that process, or take the interface by one port only");
}

}  // namespace flatproxy
