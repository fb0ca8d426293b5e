// The seven libnuma functions that DPDK's EAL calls, over the system calls. libnuma.a is not position-independent, and
// a NEEDED libnuma.so.1 would keep the addon from loading on slim images, which lack it.
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

// libnuma's own layout and names: DPDK was compiled against numa.h.
struct bitmask {
  unsigned long size;
  unsigned long* maskp;
};

namespace {

constexpr unsigned kNodes = 1024;  // the kernel's largest CONFIG_NODES_SHIFT
constexpr unsigned kBitsPerWord = sizeof(unsigned long) * CHAR_BIT;
constexpr unsigned kWords = kNodes / kBitsPerWord;

}  // namespace

extern "C" {

long set_mempolicy(int mode, const unsigned long* nodes, unsigned long max_node) {
  return syscall(SYS_set_mempolicy, mode, nodes, max_node);
}

long get_mempolicy(int* mode, unsigned long* nodes, unsigned long max_node, void* address, unsigned flags) {
  return syscall(SYS_get_mempolicy, mode, nodes, max_node, address, flags);
}

int numa_available() { return get_mempolicy(nullptr, nullptr, 0, nullptr, 0) < 0 ? -1 : 0; }

void numa_set_preferred(int node) {
  unsigned long mask[kWords] = {};
  if (node < 0 || static_cast<unsigned>(node) >= kNodes) {
    set_mempolicy(MPOL_LOCAL, nullptr, 0);
    return;
  }
  mask[static_cast<unsigned>(node) / kBitsPerWord] = 1UL << (static_cast<unsigned>(node) % kBitsPerWord);
  set_mempolicy(MPOL_PREFERRED, mask, kNodes);
}

void numa_set_localalloc() { set_mempolicy(MPOL_LOCAL, nullptr, 0); }

bitmask* numa_allocate_nodemask() {
  auto* mask = static_cast<bitmask*>(std::malloc(sizeof(bitmask)));
  auto* words = static_cast<unsigned long*>(std::calloc(kWords, sizeof(unsigned long)));
  if (mask == nullptr || words == nullptr) {
    std::free(mask);
    std::free(words);
    return nullptr;
  }
  *mask = {kNodes, words};
  return mask;
}

void numa_bitmask_free(bitmask* mask) {
  if (mask == nullptr) return;
  std::free(mask->maskp);
  std::free(mask);
}

}  // extern "C"
