#pragma once

#include <memory>
#include <vector>

#include "config/plan.h"
#include "config/snapshot.h"
#include "port/iface_claims.h"

namespace flatproxy {

/// Opens an engine's ports, and tells those that take only what is claimed (iface, take: 'matched') what that is.
class PortClaims {
 public:
  /// Opens the ports of one plan.
  OpenPort opener(unsigned lanes);

  /// Claims the services and listeners of a snapshot, and nothing else, on each of its ports that wants claims.
  /// @throws Error ERR_FLATPROXY_RESOURCE
  void claim(const Snapshot& snapshot);

 private:
  struct Claiming {
    std::weak_ptr<Port> port;
    IfaceClaims* claims;  // lives as long as the port
  };
  std::vector<Claiming> claiming_;
};

}  // namespace flatproxy
