#include "config/service_build.h"

#include <algorithm>
#include <string>

#include "config/contradiction.h"
#include "packet/flow_hash.h"

namespace flatproxy {
namespace {

Picker make_picker(const Service& service, bool v4) {
  std::vector<Picker::Candidate> candidates;
  for (uint32_t i = 0; i < service.endpoints.size(); ++i) {
    const Endpoint& e = service.endpoints[i];
    if (e.address.is_v4() != v4) continue;
    candidates.push_back({e.id, i, e.weight, e.drain, hash_end(e.address, e.port, 6, kBalanceKey)});
  }
  // Affinity needs a choice that depends on the hash alone.
  const bool by_hash = service.balance == Balance::maglev || service.balance == Balance::ring_hash;
  const Balance balance = service.source_affinity && !by_hash ? Balance::maglev : service.balance;
  return Picker(balance, service.id, std::move(candidates));
}

AffinityTable make_affinity(const Service& service) {
  if (service.http.affinity_cookie.empty()) return {};
  std::vector<AffinityTable::Entry> entries;
  for (uint32_t i = 0; i < service.endpoints.size(); ++i) {
    entries.push_back({affinity_value(service.endpoints[i].address, service.endpoints[i].port), i});
  }
  return AffinityTable(std::move(entries));
}

bool same(const Service& a, const Service& b) {
  return a.id == b.id && a.name == b.name && a.protocol == b.protocol && a.addresses == b.addresses &&
         a.port == b.port && a.balance == b.balance && a.source_affinity == b.source_affinity &&
         a.health_check == b.health_check && a.max_connections == b.max_connections &&
         a.proxy_header == b.proxy_header && a.from_client == b.from_client && a.http == b.http &&
         a.endpoints == b.endpoints;
}

/// The one in the base if nothing is different about it, else the new one, completed.
std::shared_ptr<const Service> settled(std::shared_ptr<Service> service, const Snapshot* base) {
  if (base != nullptr && service->id < base->services.size()) {
    const auto& before = base->services[service->id];
    if (before != nullptr && same(*before, *service)) return before;
  }
  service->picker_v4 = make_picker(*service, true);
  service->picker_v6 = make_picker(*service, false);
  service->affinity = make_affinity(*service);
  return service;
}

/// Ids name places that lanes write to: no two things may share one.
void check_ids(const ServiceChanges& changes) {
  std::vector<uint32_t> services = changes.removed;
  std::vector<uint32_t> endpoints;
  for (const auto& service : changes.set) {
    services.push_back(service->id);
    for (const Endpoint& endpoint : service->endpoints) endpoints.push_back(endpoint.id);
  }
  for (auto* ids : {&services, &endpoints}) {
    std::sort(ids->begin(), ids->end());
    const auto twice = std::adjacent_find(ids->begin(), ids->end());
    if (twice == ids->end()) continue;
    contradiction((ids == &services ? "service " : "endpoint ") + std::to_string(*twice) + " comes twice");
  }
}

class Change {
 public:
  Change(Snapshot& next, const Snapshot* base)
      : services_(next.services),
        base_(base),
        virtual_places_(std::make_shared<ServiceTable>(*next.service_table)),
        endpoint_places_(std::make_shared<EndpointTable>(*next.endpoint_table)) {}

  void remove(uint32_t id) {
    if (id >= services_.size() || services_[id] == nullptr) {
      contradiction("it removes service " + std::to_string(id) + ", which is none");
    }
    take_out(id);
  }

  /// All old ones go before any new one comes: a virtual address may pass from one service to another.
  void set(std::vector<std::shared_ptr<Service>>& changed) {
    for (auto& service : changed) {
      if (service->id >= services_.size()) services_.resize(service->id + 1);
      if (services_[service->id] != nullptr) take_out(service->id);
    }
    for (auto& service : changed) put_in(settled(std::move(service), base_));
  }

  void finish(Snapshot& next) {
    next.service_table = std::move(virtual_places_);
    next.endpoint_table = std::move(endpoint_places_);
  }

 private:
  void take_out(uint32_t id) {
    virtual_places_->remove(*services_[id]);
    endpoint_places_->remove(*services_[id]);
    services_[id].reset();
  }
  void put_in(std::shared_ptr<const Service> service) {
    for (const wire::Address& address : service->addresses) {
      if (virtual_places_->find(address, service->port, service->protocol) == nullptr) continue;
      contradiction("two services have the virtual address " + address.to_string() + ", port " +
                    std::to_string(service->port));
    }
    virtual_places_->add(*service);
    endpoint_places_->add(*service);
    const uint32_t id = service->id;
    services_[id] = std::move(service);
  }

  std::vector<std::shared_ptr<const Service>>& services_;
  const Snapshot* base_;
  // Copies: lanes read the base's.
  std::shared_ptr<ServiceTable> virtual_places_;
  std::shared_ptr<EndpointTable> endpoint_places_;
};

}  // namespace

void change_services(Snapshot& next, const Snapshot* base, ServiceChanges changes) {
  if (changes.set.empty() && changes.removed.empty()) return;
  check_ids(changes);
  Change change(next, base);
  for (const uint32_t id : changes.removed) change.remove(id);
  change.set(changes.set);
  change.finish(next);
}

}  // namespace flatproxy
