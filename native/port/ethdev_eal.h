#pragma once

#include <cstddef>
#include <string>

namespace flatproxy {

// What a caller needs of DPDK's environment. EAL starts once per process and can't start again: the first caller's
// options hold for the life of the process.
struct EalOptions {
  std::size_t memory_mb = 256;  // mbufs and ACL builds of the whole process, in MiB; at least 64
  bool pci = false;             // PCI devices are wanted: scan the bus
};

// Starts EAL on a thread of its own, the first time; later calls only check that what runs is enough. Any thread may
// call it. The process's affinity, signals, stdout and stderr stay as they are.
// Throws Error: ERR_FLATPROXY_EAL (it can't start), ERR_FLATPROXY_EAL_MEMORY (it has less memory than asked for now and
// can't grow), ERR_FLATPROXY_EAL_PCI (it was started without the PCI bus).
void eal_start(const EalOptions& options);

// The last lines (at most 4 KiB) that DPDK logged, for the message of a device that can't be opened.
std::string eal_log_tail();

// The version of the DPDK that the addon carries, such as "22.11.11". Works without eal_start().
std::string dpdk_version();

}  // namespace flatproxy
