#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "config/service.h"
#include "packet/flow_hash.h"
#include "wire/address.h"

namespace flatproxy {

/// Owners (services, listeners) by the (address, port, protocol) of something that they have several of: `Kind` says of
/// what. Open addressing; changed only before it is part of a snapshot, then read by every lane. Points at owners, so
/// it goes with them: a changed service is removed and its successor added, in a copy.
template <typename Kind>
class PlaceTable {
 public:
  using Owner = typename Kind::Owner;

  bool empty() const { return used_ == 0; }

  void add(const Owner& owner) {
    const auto count = static_cast<uint32_t>(Kind::count(owner));
    grow_for(used_ + count);
    for (uint32_t i = 0; i < count; ++i) insert({&owner, i, hash_of(owner, i)});
    used_ += count;
  }

  /// The owner is in the table.
  void remove(const Owner& owner) {
    const auto count = static_cast<uint32_t>(Kind::count(owner));
    for (uint32_t i = 0; i < count; ++i) erase(owner, i);
    used_ -= count;
  }

 protected:
  struct Place {
    const Owner* owner = nullptr;  // null: free
    uint32_t index = 0;            // of what is at the place, in its owner
    uint32_t hash = 0;
  };

  /// The first place at or behind slot `at` that matches, or nullptr; `at` is then the slot behind it.
  const Place* next(const wire::Address& address, uint16_t port, uint8_t protocol, uint32_t hash, size_t& at) const {
    for (; slots_[at & mask()].owner != nullptr; ++at) {
      const Place& place = slots_[at & mask()];
      if (place.hash != hash || place.owner->protocol != protocol) continue;
      if (Kind::port(*place.owner, place.index) != port || Kind::address(*place.owner, place.index) != address)
        continue;
      ++at;
      return &place;
    }
    return nullptr;
  }
  static uint32_t hash_of(const wire::Address& address, uint16_t port, uint8_t protocol) {
    const uint64_t hash = hash_end(address, port, 6, kBalanceKey) ^ protocol;
    return static_cast<uint32_t>(fold_multiply(hash, kBalanceKey.words[2]) >> 32);
  }

 private:
  static constexpr size_t kSmallest = 16;

  static uint32_t hash_of(const Owner& owner, uint32_t index) {
    return hash_of(Kind::address(owner, index), Kind::port(owner, index), owner.protocol);
  }
  size_t mask() const { return slots_.size() - 1; }

  void insert(const Place& place) {
    size_t at = place.hash & mask();
    while (slots_[at].owner != nullptr) at = (at + 1) & mask();
    slots_[at] = place;
  }

  void erase(const Owner& owner, uint32_t index) {
    size_t hole = hash_of(owner, index) & mask();
    while (slots_[hole].owner != &owner || slots_[hole].index != index) hole = (hole + 1) & mask();
    // What lies behind moves up unless it would come to lie in front of where it is looked for (Knuth 6.4, algorithm
    // R).
    for (size_t at = (hole + 1) & mask(); slots_[at].owner != nullptr; at = (at + 1) & mask()) {
      const size_t home = slots_[at].hash & mask();
      if (((at - home) & mask()) < ((at - hole) & mask())) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
  }

  void grow_for(size_t places) {
    if (places * 2 <= slots_.size()) return;
    size_t size = kSmallest;
    while (size < places * 2) size *= 2;
    const std::vector<Place> before = std::exchange(slots_, std::vector<Place>(size));
    for (const Place& place : before) {
      if (place.owner != nullptr) insert(place);
    }
  }

  std::vector<Place> slots_ = std::vector<Place>(kSmallest);  // a power of two, at most half full
  size_t used_ = 0;
};

struct VirtualPlaces {
  using Owner = Service;
  static size_t count(const Service& service) { return service.addresses.size(); }
  static const wire::Address& address(const Service& service, uint32_t i) { return service.addresses[i]; }
  static uint16_t port(const Service& service, uint32_t) { return service.port; }
};

/// Finds the service of a virtual address.
class ServiceTable : public PlaceTable<VirtualPlaces> {
 public:
  /// The service at (address, port, protocol), or nullptr.
  const Service* find(const wire::Address& address, uint16_t port, uint8_t protocol) const {
    const uint32_t hash = hash_of(address, port, protocol);
    size_t at = hash;
    const Place* place = next(address, port, protocol, hash, at);
    return place == nullptr ? nullptr : place->owner;
  }
};

struct EndpointPlaces {
  using Owner = Service;
  static size_t count(const Service& service) { return service.endpoints.size(); }
  static const wire::Address& address(const Service& service, uint32_t i) { return service.endpoints[i].address; }
  static uint16_t port(const Service& service, uint32_t i) { return service.endpoints[i].port; }
};

/// Which services have an endpoint at (address, port, protocol): what a reply in mid-stream may belong to.
class EndpointTable : public PlaceTable<EndpointPlaces> {
 public:
  struct Ref {
    const Service* service;
    uint32_t endpoint;  ///< index in it
  };
  /// Calls visit(Ref) for each; returns how many there are.
  template <typename Visit>
  unsigned for_each(const wire::Address& address, uint16_t port, uint8_t protocol, Visit&& visit) const {
    const uint32_t hash = hash_of(address, port, protocol);
    unsigned found = 0;
    for (size_t at = hash; const Place* place = next(address, port, protocol, hash, at); ++found) {
      visit(Ref{place->owner, place->index});
    }
    return found;
  }
};

}  // namespace flatproxy
