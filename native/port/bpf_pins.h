#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flatproxy {

/// Pins that keep a link after its process: /sys/fs/bpf/flatproxy/NETNS-IFINDEX-HOOK-PID, where NETNS is the inode of
/// the calling thread's network namespace.

/// There is a BPF file system at /sys/fs/bpf.
bool bpffs_mounted();

/// Pins a link, and mounts the file system if there is none. @throws Error
void pin(int link, uint32_t interface, const std::string& hook);
/// The pins of one interface.
std::vector<std::string> pins_of(uint32_t interface);
void unpin(const std::string& path);
/// Removes the pins of interfaces that this network namespace no longer has.
void unpin_orphans();

}  // namespace flatproxy
