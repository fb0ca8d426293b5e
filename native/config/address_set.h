#pragma once

#include <cstdint>
#include <vector>

#include "packet/flow_hash.h"
#include "wire/address.h"

namespace flatproxy {

/// Addresses, built once, looked up by every lane.
class AddressSet {
 public:
  AddressSet() = default;
  explicit AddressSet(const std::vector<wire::Address>& addresses) {
    size_t size = 4;
    while (size < addresses.size() * 2) size *= 2;
    slots_.resize(size);
    for (const wire::Address& address : addresses) insert(address);
  }
  bool contains(const wire::Address& address) const {
    if (slots_.empty()) return false;
    for (size_t i = start(address);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i] == address) return !(address == wire::Address{});
      if (slots_[i] == wire::Address{}) return false;
    }
  }

 private:
  size_t start(const wire::Address& address) const { return address_hash(address, kBalanceKey) & (slots_.size() - 1); }
  void insert(const wire::Address& address) {
    size_t i = start(address);
    while (!(slots_[i] == wire::Address{}) && !(slots_[i] == address)) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = address;
  }
  std::vector<wire::Address> slots_;  // :: is empty; a power of two, at most half full
};

}  // namespace flatproxy
