#include "addon/port_claims.h"

#include <string>
#include <variant>

#include "port/open_port.h"

namespace flatproxy {

OpenPort PortClaims::opener(unsigned lanes) {
  // A plan names `host` last.
  const auto host = std::make_shared<std::shared_ptr<Port>>();
  return [this, lanes, host](uint16_t id, const std::string& name, const std::string& config) -> OpenedPort {
    const PortSpec spec = parse_port_spec(config);
    if (std::holds_alternative<HostSpec>(spec) && *host != nullptr) return OpenedPort(*host);
    const OpenedPorts opened = open_port(id, name, spec, lanes);
    if (*host == nullptr) *host = opened.host;
    if (opened.claims != nullptr) claiming_.push_back({opened.port, opened.claims});
    return OpenedPort(opened.port, opened.addresses);
  };
}

void PortClaims::claim(const Snapshot& snapshot) {
  std::erase_if(claiming_, [](const Claiming& claiming) { return claiming.port.expired(); });
  if (claiming_.empty()) return;
  std::vector<Claim> claims;
  for (const auto& service : snapshot.services) {
    if (service == nullptr) continue;
    for (const wire::Address& address : service->addresses) {
      claims.push_back({address, service->protocol, service->port});
    }
  }
  for (const Claiming& claiming : claiming_) {
    // What was opened for a plan that failed may be gone by now.
    if (const auto port = claiming.port.lock()) claiming.claims->set_claims(claims);
  }
}

}  // namespace flatproxy
