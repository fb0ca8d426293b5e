#pragma once

#include <memory>
#include <string>

#include "port/port.h"

namespace flatproxy {

/// Opens any DPDK device by its devargs: "0000:03:00.0" (a PCI NIC), "net_af_xdp0,iface=eth1",
/// "net_memif0,role=server". One receive and one send queue for each lane. Sets info().mac, .mtu and .offloads to the
/// device's. A lane that waits sleeps on the driver's receive interrupts (NICs, net_memif) or on its sockets
/// (net_af_packet, net_af_xdp); with net_ring, net_null and drivers without interrupts wait_fd() is -1 and the lane
/// polls. At most one port is opened or closed at a time, of all threads.
/// @throws Error ERR_FLATPROXY_EAL*, ERR_FLATPROXY_NOT_FOUND (no such device, or no driver for it built in),
///   ERR_FLATPROXY_PERMISSION, ERR_FLATPROXY_UNSUPPORTED (too few queues), ERR_FLATPROXY_RESOURCE (no memory for its
///   buffers)
std::shared_ptr<Port> open_ethdev(PortInfo info, const std::string& devargs, unsigned lanes);

}  // namespace flatproxy
