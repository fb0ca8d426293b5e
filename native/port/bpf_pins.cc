#include "port/bpf_pins.h"

#include <linux/magic.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "port/bpf_call.h"
#include "port/system_error.h"

namespace flatproxy {
namespace {

constexpr const char* kMountPoint = "/sys/fs/bpf";
constexpr const char* kFolder = "/sys/fs/bpf/flatproxy";

void make_folder() {
  if (!bpffs_mounted() && mount("bpf", kMountPoint, "bpf", 0, "mode=0700") != 0) {
    throw Error("ERR_FLATPROXY_UNSUPPORTED", "no BPF file system at /sys/fs/bpf, and it cannot be mounted",
                "mount it: mount -t bpf bpf /sys/fs/bpf (in a container: pass the host's on)");
  }
  if (mkdir(kFolder, 0700) != 0 && errno != EEXIST) throw system_error(std::string("create ") + kFolder, errno);
}

std::string netns_prefix() {
  struct stat netns {};
  if (stat("/proc/thread-self/ns/net", &netns) != 0) throw system_error("look up the network namespace", errno);
  return std::to_string(netns.st_ino) + "-";
}

std::string prefix_of(uint32_t interface) { return netns_prefix() + std::to_string(interface) + "-"; }

std::vector<std::string> pins_with(const std::string& prefix) {
  std::vector<std::string> found;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder, none)) {
    if (entry.path().filename().string().starts_with(prefix)) found.push_back(entry.path());
  }
  return found;
}

}  // namespace

bool bpffs_mounted() {
  struct statfs info {};
  return statfs(kMountPoint, &info) == 0 && static_cast<unsigned long>(info.f_type) == BPF_FS_MAGIC;
}

// The number keeps the new pin apart from a dead process's, which is removed only when the new link is in force.
void pin(int link, uint32_t interface, const std::string& hook) {
  static std::atomic<unsigned> count{0};
  make_folder();
  const std::string path = std::string(kFolder) + "/" + prefix_of(interface) + hook + "-" + std::to_string(getpid()) +
                           "-" + std::to_string(++count);
  if (const int error = bpf_pin(link, path)) throw system_error("pin " + path, error, "CAP_BPF");
}

std::vector<std::string> pins_of(uint32_t interface) { return pins_with(prefix_of(interface)); }

// Without the detachment the program would stay in force until the kernel gets to free the link.
void unpin(const std::string& path) {
  if (const Fd link = bpf_open_pin(path)) bpf_link_detach(link.get());
  if (unlink(path.c_str()) != 0 && errno != ENOENT) throw system_error("remove " + path, errno);
}

void unpin_orphans() {
  const std::string prefix = netns_prefix();
  for (const std::string& path : pins_with(prefix)) {
    const auto index = static_cast<unsigned>(strtoul(path.c_str() + strlen(kFolder) + 1 + prefix.size(), nullptr, 10));
    char name[IF_NAMESIZE];
    if (if_indextoname(index, name) == nullptr && errno == ENXIO) unpin(path);
  }
}

}  // namespace flatproxy
