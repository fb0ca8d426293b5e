#include "config/snapshot.h"

#include "packet/flow_hash.h"

namespace flatproxy {
namespace {

uint64_t place_hash(const wire::Address& address, uint16_t port, uint8_t protocol) {
  return fold_multiply(hash_end(address, port, 6, kBalanceKey) ^ protocol, kBalanceKey.words[2]);
}

size_t table_size(size_t entries) {
  size_t size = 4;
  while (size < entries * 2) size *= 2;
  return size;
}

}  // namespace

uint64_t ServiceTable::hash(const wire::Address& address, uint16_t port, uint8_t protocol) {
  return place_hash(address, port, protocol);
}

ServiceTable::ServiceTable(const std::vector<std::shared_ptr<const Service>>& services) {
  for (const auto& service : services) count_ += service == nullptr ? 0 : service->addresses.size();
  slots_.resize(table_size(count_));
  for (const auto& service : services) {
    if (service == nullptr) continue;
    for (const wire::Address& address : service->addresses) {
      size_t i = hash(address, service->port, service->protocol) & (slots_.size() - 1);
      while (slots_[i].service != nullptr) i = (i + 1) & (slots_.size() - 1);
      slots_[i] = {service.get(), address};
    }
  }
}

const Service* ServiceTable::find(const wire::Address& address, uint16_t port, uint8_t protocol) const {
  if (count_ == 0) return nullptr;
  for (size_t i = hash(address, port, protocol) & (slots_.size() - 1); slots_[i].service != nullptr;
       i = (i + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[i];
    if (slot.service->port == port && slot.service->protocol == protocol && slot.address == address) return slot.service;
  }
  return nullptr;
}

uint64_t EndpointTable::hash(const wire::Address& address, uint16_t port, uint8_t protocol) {
  return place_hash(address, port, protocol);
}

EndpointTable::EndpointTable(const std::vector<std::shared_ptr<const Service>>& services) {
  size_t count = 0;
  for (const auto& service : services) count += service == nullptr ? 0 : service->endpoints.size();
  slots_.resize(table_size(count));
  for (const auto& service : services) {
    if (service == nullptr) continue;
    for (uint32_t e = 0; e < service->endpoints.size(); ++e) {
      const Endpoint& endpoint = service->endpoints[e];
      size_t i = hash(endpoint.address, endpoint.port, service->protocol) & (slots_.size() - 1);
      while (slots_[i].service != nullptr) i = (i + 1) & (slots_.size() - 1);
      slots_[i] = {service.get(), e};
    }
  }
}

const wire::Address* Snapshot::own(uint16_t port, uint8_t family) const {
  if (port >= ports.size()) return nullptr;
  for (const wire::Prefix& prefix : ports[port].own) {
    if (prefix.address.is_v4() == (family == 4)) return &prefix.address;
  }
  return nullptr;
}

const wire::Address* Snapshot::own_towards(uint16_t port, const wire::Address& neighbor) const {
  if (port >= ports.size()) return nullptr;
  for (const wire::Prefix& prefix : ports[port].own) {
    if (prefix.contains(neighbor)) return &prefix.address;
  }
  return own(port, neighbor.is_v4() ? 4 : 6);
}

}  // namespace flatproxy
