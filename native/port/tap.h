#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "port/port.h"

namespace flatproxy {

struct TapRoute {
  wire::Prefix to;
  std::optional<wire::Address> via;  ///< absent: on the link
};

/// What a `tap` port is made of.
struct TapConfig {
  std::string name;                     ///< of the device, at most 15 characters; "%d" takes the first free number
  std::string netns;                    ///< name, path ("/proc/PID/ns/net") or "": this process's own
  std::vector<wire::Prefix> addresses;  ///< of the device's kernel side
  std::vector<TapRoute> routes;
  uint16_t mtu = 1500;  ///< bytes
};

/// Creates a tap in its network namespace, addressed, routed and up, with one queue per lane. It goes with the port,
/// and with the process, however that ends. info().mac is set to a locally administered address that is not the
/// device's and is the same at every start; info().mtu and .offloads are set too.
/// @throws Error ERR_FLATPROXY_PERMISSION, _NOT_FOUND, _IN_USE, _UNSUPPORTED, _RESOURCE, _CONFIG, _SYSTEM
std::shared_ptr<Port> open_tap(PortInfo base, const TapConfig& config, unsigned lanes);

}  // namespace flatproxy
