#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "classify/address_classes.h"
#include "classify/bit_rows.h"
#include "classify/policy.h"
#include "classify/port_rows.h"
#include "classify/way_rows.h"

namespace flatproxy {

/// Policies of one action that match a flow, by their places in the set, in its order: the first few, which count.
class PolicyPlaces {
 public:
  static constexpr uint32_t kMost = 4;

  void push(uint32_t place) {
    if (size_ < kMost) places_[size_++] = place;
  }
  /// Adds those that are not there yet.
  void unite(const PolicyPlaces& others) {
    for (const uint32_t place : others) {
      if (std::find(begin(), end(), place) == end()) push(place);
    }
  }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == kMost; }
  const uint32_t* begin() const { return places_.data(); }
  const uint32_t* end() const { return places_.data() + size_; }
  bool operator==(const PolicyPlaces&) const = default;

 private:
  std::array<uint32_t, kMost> places_{};
  uint32_t size_ = 0;
};

/// The policies of one action that goes on, of both directions, found as those of a PolicyIndex are: by the classes of
/// sender and receiver, by protocol and port, and by the port and the VLAN that the flow comes by.
class DutyIndex {
 public:
  /// @throws Error as check_policy_bytes()
  DutyIndex(const PolicySet& set, PolicyAction action, const AddressClasses& classes);
  DutyIndex(const DutyIndex&) = delete;
  DutyIndex& operator=(const DutyIndex&) = delete;

  bool empty() const { return places_.empty(); }
  /// @param source,destination the key's classes
  PolicyPlaces find(uint32_t source, uint32_t destination, const PolicyKey& key) const;

 private:
  size_t bytes() const { return sources_.bytes() + destinations_.bytes() + ports_.bytes() + ways_.bytes(); }
  void index_classes(const PolicySet& set, const AddressClasses& classes);

  std::vector<uint32_t> places_;  // by bit
  BitRows sources_, destinations_;
  std::vector<uint32_t> source_rows_;       // by class
  std::vector<uint32_t> destination_rows_;  // by class
  PortRows ports_;
  WayRows ways_;
};

}  // namespace flatproxy
