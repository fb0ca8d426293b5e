#include "balance/ring_hash.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <tuple>

#include "packet/flow_hash.h"

namespace flatproxy {
namespace {

/// The n-th point of a candidate.
uint32_t place_of(uint64_t name, uint32_t n) {
  const uint64_t sequence = fold_multiply(name ^ kBalanceKey.words[0], kBalanceKey.words[1]);
  const uint64_t hash = sequence + (n + 1) * 0x9e3779b97f4a7c15u;
  return static_cast<uint32_t>(fold_multiply(hash ^ kBalanceKey.words[2], kBalanceKey.words[3]) >> 32);
}

}  // namespace

RingHash::RingHash(const std::vector<Entry>& entries) {
  if (entries.empty()) return;
  double total = 0;
  for (const Entry& entry : entries) total += entry.weight;
  const auto count = static_cast<double>(entries.size());
  const double points = std::min(kPointsOfOne * count, double{kMostPoints});
  for (uint32_t i = 0; i < entries.size(); ++i) {
    const auto mine = static_cast<uint32_t>(std::lround(points * entries[i].weight / total));
    for (uint32_t n = 0; n < std::max(1u, mine); ++n) ring_.push_back({place_of(entries[i].name_hash, n), i});
  }
  // By name where two have the same place: the order in which the mesh lists endpoints has no influence.
  std::ranges::sort(ring_, {}, [&](const Point& p) { return std::tuple(p.place, entries[p.entry].name_hash); });
  const auto bits = std::max(1u, static_cast<uint32_t>(std::bit_width(ring_.size())) - 1);
  shift_ = 32 - bits;
  parts_.resize(size_t{1} << bits);
  for (size_t part = 0, point = 0; part < parts_.size(); ++part) {
    while (point < ring_.size() && ring_[point].place < part << shift_) ++point;
    parts_[part] = static_cast<uint32_t>(point);
  }
}

}  // namespace flatproxy
