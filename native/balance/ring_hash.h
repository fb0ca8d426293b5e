#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace flatproxy {

/// A ring hash (Karger et al., "Consistent hashing and random trees", STOC 1997; the ketama of memcached, Envoy's
/// RING_HASH): every candidate has points on a ring, as many as its weight says, and a hash belongs to whoever has the
/// next point. Where a candidate's points are depends on its name alone.
///
/// Beside Maglev (maglev.h): when one of equal candidates comes or goes, its own share moves and nothing else, but
/// shares are less even (a twelfth of one, as a standard deviation). Weights count beside their average: when one
/// changes, the others gain or lose points as the average does.
class RingHash {
 public:
  struct Entry {
    uint64_t name_hash;
    uint16_t weight;  ///< above 0
  };
  static constexpr uint32_t kPointsOfOne = 160;      ///< of a candidate of average weight
  static constexpr uint32_t kMostPoints = 1u << 20;  ///< more candidates than fit have fewer points each

  RingHash() = default;
  explicit RingHash(const std::vector<Entry>& entries);

  /// The index in `entries` for a hash; there must be entries. @param attempt further ones lead to unrelated points
  uint32_t at(uint64_t hash, uint32_t attempt = 0) const {
    const uint64_t mixed = attempt == 0 ? hash : (hash + attempt) * 0x9e3779b97f4a7c15u;
    const auto place = static_cast<uint32_t>(mixed >> 32);
    // Points are spread evenly: the first one behind the place is close to where its part of the ring begins.
    size_t i = parts_[place >> shift_];
    while (i < ring_.size() && ring_[i].place < place) ++i;
    return ring_[i < ring_.size() ? i : 0].entry;
  }
  size_t size() const { return ring_.size(); }

 private:
  struct Point {
    uint32_t place;
    uint32_t entry;
  };

  std::vector<Point> ring_;      // by place
  std::vector<uint32_t> parts_;  // of equal parts of the ring, the index of the first point in it or behind it
  uint32_t shift_ = 31;
};

}  // namespace flatproxy
