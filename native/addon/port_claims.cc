#include "addon/port_claims.h"

#include "port/open_port.h"

namespace flatproxy {

OpenPort PortClaims::opener(unsigned lanes) {
  return port_opener(lanes, [this](const OpenedPorts& opened) {
    if (opened.claims != nullptr) claiming_.push_back({opened.port, opened.claims});
  });
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
  for (const auto& listener : snapshot.listeners->by_id()) {
    if (listener == nullptr) continue;
    for (const wire::Address& address : listener->addresses)
      claims.push_back({address, Listener::protocol, listener->port});
  }
  for (const Claiming& claiming : claiming_) {
    // What was opened for a plan that failed may be gone by now.
    if (const auto port = claiming.port.lock()) claiming.claims->set_claims(claims);
  }
}

}  // namespace flatproxy
