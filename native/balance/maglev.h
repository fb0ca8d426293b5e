#pragma once

#include <cstdint>
#include <vector>

namespace flatproxy {

/// A Maglev lookup table (Eisenbud et al., "Maglev", NSDI 2016, section 3.4): every candidate has its own permutation of
/// the places, and they take turns, in proportion to their weights, to claim the next one that is free. Which places a
/// candidate gets depends on its name and weight and on who else is there, never on order or ids.
class Maglev {
 public:
  struct Entry {
    uint64_t name_hash;
    uint16_t weight;  ///< above 0
  };
  /// Places for each candidate, at least: shares are even within a few per cent, and when one of them goes at most
  /// twice the ideal share of the places changes hands.
  static constexpr uint32_t kPlacesPerEntry = 100;

  Maglev() = default;
  explicit Maglev(const std::vector<Entry>& entries);

  /// The index in `entries` at a place; there must be entries. @param attempt further ones lead to unrelated places
  uint32_t at(uint64_t hash, uint32_t attempt = 0) const {
    const uint64_t mixed = attempt == 0 ? hash : (hash + attempt) * 0x9e3779b97f4a7c15u;
    return places_[static_cast<uint32_t>(((mixed >> 32) * places_.size()) >> 32)];
  }
  const std::vector<uint32_t>& places() const { return places_; }

 private:
  std::vector<uint32_t> places_;
};

}  // namespace flatproxy
