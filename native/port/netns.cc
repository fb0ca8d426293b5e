#include "port/netns.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <exception>
#include <thread>

#include "port/fd.h"
#include "port/system_error.h"

namespace flatproxy {
namespace {

std::string path_of(const std::string& netns) { return netns[0] == '/' ? netns : "/run/netns/" + netns; }

void enter(const std::string& netns) {
  const std::string path = path_of(netns);
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) {
    throw Error("ERR_FLATPROXY_NOT_FOUND", "network namespace '" + netns + "' not found at " + path,
                "create it: ip netns add " + netns.substr(netns.rfind('/') + 1));
  }
  if (!fd) throw system_error("open network namespace '" + netns + "'", errno, "CAP_SYS_ADMIN");
  if (setns(fd.get(), CLONE_NEWNET) == 0) return;
  if (errno == EINVAL) throw Error("ERR_FLATPROXY_NOT_FOUND", path + " is not a network namespace");
  throw system_error("enter network namespace '" + netns + "'", errno, "CAP_SYS_ADMIN");
}

}  // namespace

void in_netns(const std::string& netns, const std::function<void()>& action) {
  if (netns.empty()) return action();
  std::exception_ptr failure;
  std::thread([&] {
    try {
      enter(netns);
      action();
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace flatproxy
