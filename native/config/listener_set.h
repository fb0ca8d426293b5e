#pragma once

#include <memory>
#include <vector>

#include "config/intercept_table.h"
#include "config/listener.h"
#include "config/place_table.h"

namespace flatproxy {

struct ListenerPlaces {
  using Owner = Listener;
  static size_t count(const Listener& listener) { return listener.addresses.size(); }
  static const wire::Address& address(const Listener& listener, uint32_t i) { return listener.addresses[i]; }
  static uint16_t port(const Listener& listener, uint32_t) { return listener.port; }
};

/// The listeners of a snapshot: by id, and by where they listen.
class ListenerSet : private PlaceTable<ListenerPlaces> {
 public:
  ListenerSet() = default;
  /// @param listeners by id; holes are empty
  explicit ListenerSet(std::vector<std::shared_ptr<const Listener>> listeners)
      : by_id_(std::move(listeners)), intercepts_(by_id_) {
    for (const auto& listener : by_id_) {
      if (listener != nullptr) add(*listener);
    }
  }

  bool empty() const { return PlaceTable::empty() && intercepts_.empty(); }
  /// Whether any of them intercepts what passes through.
  bool intercepts() const { return !intercepts_.empty(); }
  const std::vector<std::shared_ptr<const Listener>>& by_id() const { return by_id_; }
  /// nullptr: no listener has this id.
  const Listener* at(uint32_t id) const { return id < by_id_.size() ? by_id_[id].get() : nullptr; }
  /// The listener that takes TCP to (address, port) from a client behind the port `on`, or nullptr.
  const Listener* find(const wire::Address& address, uint16_t port, uint16_t on) const {
    const uint32_t hash = hash_of(address, port, Listener::protocol);
    for (size_t at = hash; const Place* place = next(address, port, Listener::protocol, hash, at);) {
      if (place->owner->on == Listener::kAnyPort || place->owner->on == on) return place->owner;
    }
    return nullptr;
  }
  /// The listener that intercepts TCP to (address, port), which are not ours, or nullptr.
  const Listener* find_intercepting(const wire::Address& address, uint16_t port, uint16_t on) const {
    const uint32_t found = intercepts_.find(address, port, on);
    return found == 0 ? nullptr : by_id_[found - 1].get();
  }

 private:
  std::vector<std::shared_ptr<const Listener>> by_id_;
  InterceptTable intercepts_;
};

}  // namespace flatproxy
