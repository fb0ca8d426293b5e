#include "port/bpf_call.h"

#include <linux/bpf.h>
#include <sys/syscall.h>

#include <cerrno>

namespace flatproxy {
namespace {

uint64_t pointer(const void* p) { return reinterpret_cast<uintptr_t>(p); }

int64_t bpf(bpf_cmd command, bpf_attr& attributes) {
  return syscall(__NR_bpf, command, &attributes, sizeof(attributes));
}

}  // namespace

int bpf_link_create(int program, uint32_t interface, uint32_t attach_type, Fd* link) {
  bpf_attr attributes{};
  attributes.link_create.prog_fd = static_cast<uint32_t>(program);
  attributes.link_create.target_ifindex = interface;
  attributes.link_create.attach_type = attach_type;
  const int64_t fd = bpf(BPF_LINK_CREATE, attributes);
  if (fd < 0) return errno;
  *link = Fd(static_cast<int>(fd));
  return 0;
}

int bpf_pin(int object, const std::string& path) {
  bpf_attr attributes{};
  attributes.pathname = pointer(path.c_str());
  attributes.bpf_fd = static_cast<uint32_t>(object);
  return bpf(BPF_OBJ_PIN, attributes) < 0 ? errno : 0;
}

Fd bpf_open_pin(const std::string& path) {
  bpf_attr attributes{};
  attributes.pathname = pointer(path.c_str());
  return Fd(static_cast<int>(bpf(BPF_OBJ_GET, attributes)));
}

int bpf_link_detach(int link) {
  bpf_attr attributes{};
  attributes.link_detach.link_fd = static_cast<uint32_t>(link);
  return bpf(BPF_LINK_DETACH, attributes) < 0 ? errno : 0;
}

int bpf_map_update(int map, const void* key, const void* value) {
  bpf_attr attributes{};
  attributes.map_fd = static_cast<uint32_t>(map);
  attributes.key = pointer(key);
  attributes.value = pointer(value);
  return bpf(BPF_MAP_UPDATE_ELEM, attributes) < 0 ? errno : 0;
}

int bpf_map_delete(int map, const void* key) {
  bpf_attr attributes{};
  attributes.map_fd = static_cast<uint32_t>(map);
  attributes.key = pointer(key);
  return bpf(BPF_MAP_DELETE_ELEM, attributes) < 0 ? errno : 0;
}

}  // namespace flatproxy
