#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace flatproxy {

/// A Maglev lookup table (Eisenbud et al., "Maglev", NSDI 2016, section 3.4): every candidate has its own permutation
/// of the places, and they take turns to claim the next one that is free, until each has its share by weight. Which
/// places a candidate gets depends on its name and weight and on who else is there, never on order or ids.
///
/// Shares are even within a few per cent. When a candidate comes or goes, then beside its own places at most twice its
/// share changes hands (up to 600 candidates; at most 7 times above, which is below 1 % of all), unless the number of
/// candidates leaves one size of table for the next: at 20, 120 and 320. A share below one place is one place, as long
/// as there are places for all.
class Maglev {
 public:
  struct Entry {
    uint64_t name_hash;
    uint16_t weight;  ///< above 0
  };
  /// Places for each candidate, at least: from 2039 in all to 655,373, which are fewer for each above 6553 candidates.
  static constexpr uint32_t kPlacesPerEntry = 100;
  /// Up to so many candidates the movement stays within twice a share.
  static constexpr size_t kEvenEntries = 600;

  Maglev() = default;
  /// @param sized_for how many candidates there are for the table's size: those that are drained for a while as well
  Maglev(const std::vector<Entry>& entries, size_t sized_for);

  /// The index in `entries` at a place; there must be entries. @param attempt further ones lead to unrelated places
  uint32_t at(uint64_t hash, uint32_t attempt = 0) const {
    const uint64_t mixed = attempt == 0 ? hash : (hash + attempt) * 0x9e3779b97f4a7c15u;
    return place(static_cast<uint32_t>(((mixed >> 32) * size_) >> 32));
  }
  uint32_t size() const { return size_; }
  uint32_t place(uint32_t i) const { return wide_.empty() ? narrow_[i] : wide_[i]; }

 private:
  uint32_t size_ = 0;
  std::vector<uint16_t> narrow_;  // up to 65,536 entries: half the cache
  std::vector<uint32_t> wide_;
};

}  // namespace flatproxy
