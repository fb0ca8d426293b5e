#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace flatproxy {

/// A lookup table from hashes to candidates, after Maglev (Eisenbud et al., "Maglev", NSDI 2016, section 3.4): every
/// candidate has its own sequence of places, and they take turns to claim. Which places a candidate gets depends on its
/// name and weight and on who else is there, never on order or ids.
///
/// Three things are not as in the paper, so that as little as can be moves when a candidate comes or goes:
/// - A claim that fails is not repeated before the next turn. In the paper's algorithm everybody who lost a place takes
///   another one at once, perhaps before its former owner, and so on: 9 shares move among 10,000 candidates.
/// - Shares are therefore not exactly even; what makes a candidate heavier than 9/8 of its share goes to others, as in
///   consistent hashing with bounded loads (Mirrokni et al., SODA 2018).
/// - The number of places grows with the square root of the number of candidates by splitting one place after the
///   other, as in linear hashing (Litwin, VLDB 1980): there is no size at which everything moves.
///
/// Measured: when one of n comes or goes, 1.0 to 1.7 times its share moves up to 1000 candidates, below twice its share
/// on average up to 10,000. Nobody has more than 9/8 of a share and a place; the lightest one has 0.96 of its share
/// among 10, 0.89 among 100, 0.8 among 1000, 0.6 among 10,000.
class Maglev {
 public:
  struct Entry {
    uint64_t name_hash;
    uint16_t weight;  ///< above 0; a share below one place is one place
  };

  Maglev() = default;
  /// @param sized_for how many candidates there are for the table's size: those that are drained for a while as well
  Maglev(const std::vector<Entry>& entries, size_t sized_for);

  /// The index in `entries` for a hash; there must be entries. @param attempt further ones lead to unrelated places
  uint32_t at(uint64_t hash, uint32_t attempt = 0) const {
    const uint64_t mixed = attempt == 0 ? hash : (hash + attempt) * 0x9e3779b97f4a7c15u;
    const uint32_t i = places_.index(static_cast<uint32_t>(mixed >> 32));
    return wide_.empty() ? narrow_[i] : wide_[i];
  }

  /// The line of all 32-bit numbers, cut into 2^k places of which the first ones are cut once more.
  struct Places {
    uint32_t shift = 31;  ///< 32 - k
    uint32_t split = 0;   ///< so many have been cut

    static Places of(uint32_t count);
    uint32_t count() const { return (1u << (32 - shift)) + split; }
    uint32_t index(uint32_t point) const {
      const uint32_t uncut = point >> shift;
      return uncut < split ? point >> (shift - 1) : uncut + split;
    }
    /// In halves of an uncut place.
    uint32_t width(uint32_t i) const { return i < 2 * split ? 1 : 2; }
    uint64_t total_width() const { return uint64_t{2} << (32 - shift); }
  };
  uint32_t size() const { return places_.count(); }

 private:
  Places places_;
  std::vector<uint16_t> narrow_;  // up to 65,536 entries: half the cache
  std::vector<uint32_t> wide_;
};

}  // namespace flatproxy
