// Which endpoints are probed, from snapshot to snapshot.
#include <algorithm>
#include <utility>

#include "health/health_prober.h"
#include "wire/protocol.h"

namespace flatproxy {
namespace {

/// The service with this id if its endpoints are to be probed, else nullptr.
const Service* checked_service(const Snapshot* snapshot, size_t id) {
  if (snapshot == nullptr || id >= snapshot->services.size()) return nullptr;
  const Service* service = snapshot->services[id].get();
  if (service == nullptr || !service->health_check || service->protocol != wire::protocol::kTcp) return nullptr;
  return service;
}

}  // namespace

void HealthProber::configure(const Snapshot& snapshot, Nanoseconds now) {
  const Snapshot* before = std::exchange(snapshot_, &snapshot);
  const size_t ids = std::max(before == nullptr ? 0 : before->services.size(), snapshot.services.size());
  ++round_;
  // An endpoint's id may have passed from one service to another: all of the old ones go before any new one comes.
  const auto for_changed = [&](auto&& each) {
    for (size_t id = 0; id < ids; ++id) {
      const Service* old_one = checked_service(before, id);
      const Service* new_one = checked_service(&snapshot, id);
      if (old_one != new_one) each(old_one, new_one);
    }
  };
  for_changed([&](const Service* old_one, const Service* new_one) {
    if (old_one != nullptr && new_one != nullptr) mark_kept(*new_one);
  });
  for_changed([&](const Service* old_one, const Service*) {
    if (old_one != nullptr) drop_unmarked(*old_one);
  });
  for_changed([&](const Service* old_one, const Service* new_one) {
    if (new_one != nullptr) take_over(*new_one, old_one, now);
  });
}

HealthProber::Target* HealthProber::target_of(const Endpoint& endpoint, uint32_t service) {
  if (endpoint.id >= by_endpoint_.size() || by_endpoint_[endpoint.id] == kNobody) return nullptr;
  Target& target = targets_[by_endpoint_[endpoint.id]];
  const bool same = target.service == service && target.port == endpoint.port && target.address == endpoint.address;
  return same ? &target : nullptr;
}

void HealthProber::mark_kept(const Service& service) {
  for (const Endpoint& endpoint : service.endpoints) {
    if (Target* target = target_of(endpoint, service.id)) target->round = round_;
  }
}

void HealthProber::drop_unmarked(const Service& service) {
  for (const Endpoint& endpoint : service.endpoints) {
    const Target* target = target_of(endpoint, service.id);
    if (target != nullptr && target->round != round_) drop(by_endpoint_[endpoint.id]);
  }
}

void HealthProber::take_over(const Service& service, const Service* before, Nanoseconds now) {
  // A next probe that was planned by a longer interval would come too late.
  const bool other_check = before != nullptr && *before->health_check != *service.health_check;
  for (const Endpoint& endpoint : service.endpoints) {
    const Target* target = target_of(endpoint, service.id);
    if (target == nullptr) {
      add(service, endpoint, now);
    } else if (other_check && target->source_port == 0) {
      schedule_first(by_endpoint_[endpoint.id], *service.health_check, now);
    }
  }
}

void HealthProber::add(const Service& service, const Endpoint& endpoint, Nanoseconds now) {
  if (endpoint.id >= by_endpoint_.size()) by_endpoint_.resize(endpoint.id + 1, kNobody);
  if (free_targets_.empty()) {
    free_targets_.push_back(static_cast<uint32_t>(targets_.size()));
    targets_.emplace_back();
  }
  const uint32_t index = free_targets_.back();
  free_targets_.pop_back();
  by_endpoint_[endpoint.id] = index;
  Target fresh;
  fresh.address = endpoint.address;
  fresh.port = endpoint.port;
  fresh.endpoint = endpoint.id;
  fresh.service = service.id;
  fresh.stamp = targets_[index].stamp;
  targets_[index] = fresh;
  schedule_first(index, *service.health_check, now);
}

void HealthProber::drop(uint32_t index) {
  Target& target = targets_[index];
  if (target.source_port != 0) ports_.give_back(target.source_port);
  ++target.stamp;
  health_.set(target.endpoint, true);
  by_endpoint_[target.endpoint] = kNobody;
  free_targets_.push_back(index);
}

}  // namespace flatproxy
