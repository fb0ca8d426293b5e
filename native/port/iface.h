#pragma once

#include <memory>
#include <string>
#include <vector>

#include "port/iface_attach.h"
#include "port/iface_claims.h"
#include "port/port.h"

namespace flatproxy {

enum class Take : uint8_t { all, matched };
enum class OnExit : uint8_t { release, block };
enum class Delivery : uint8_t { peer, device };

/// What an `iface` port is made of.
struct IfaceConfig {
  std::string interface;
  Take take = Take::all;
  OnExit on_exit = OnExit::release;
  Nanoseconds watchdog = 200'000'000;  ///< without a beat() of every lane for so long, the lanes count as dead
  AttachMode attach = AttachMode::automatic;
  /// peer: what is sent goes straight to a veth's other end, where that changes nothing but the cost: the other end is
  /// in another network namespace and has no XDP program, the interface no queueing discipline. Elsewhere, and with
  /// device: by the interface's transmission.
  Delivery delivery = Delivery::peer;
  uint32_t replies = 1u << 20;  ///< matched: how many replies can be claimed at once; memory is taken as they are
};

struct IfacePorts {
  std::shared_ptr<Port> wire;
  /// take all: the node's own stack (and what it forwards to the interface). What is sent here enters the kernel as
  /// received on the interface. Frames received here may be addressed to any MAC that the kernel has learned; frames
  /// sent here must be addressed to the interface's. Once it is destroyed the node's stack sends by the interface
  /// itself, while what is sent to the node still comes to `wire`. nullptr with take matched.
  std::shared_ptr<Port> host;
  /// take matched: nullptr with take all. Lives as long as `wire`.
  IfaceClaims* claims = nullptr;
  std::vector<wire::Prefix> kernel_addresses;  ///< what the interface has: the default of `own`
};

/// Takes a kernel interface of the calling thread's network namespace: its frames come to `wire`, large ones whole, and
/// what is sent there leaves by it. While a lane's last beat() is older than `watchdog`, and from the process's end on,
/// the kernel has its interface back (release), or what would be taken is dropped (block) until unblock(); a block
/// stays when the port is closed, too. What a dead process left on the interface is removed first. info() of both: .mac
/// (wire: the interface's; host: that of a veth's other end, so that the kernel's neighbour entries are right with and
/// without flatproxy, else a locally administered one), .mtu and .offloads. up() is false while the interface is down,
/// and for good once it is deleted. Own frames carry the mark STEER_MARK (bpf/steer.h) between the tap and the
/// interface.
/// @throws Error ERR_FLATPROXY_NOT_FOUND, _PERMISSION, _UNSUPPORTED, _IN_USE, _RESOURCE, _SYSTEM
IfacePorts open_iface(const PortInfo& wire, const PortInfo& host, const IfaceConfig& config, unsigned lanes);

}  // namespace flatproxy
