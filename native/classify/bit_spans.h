#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "classify/bit_rows.h"

namespace flatproxy {

/// Bits that are set for spans of numbers, and from that, which are set for which.
class BitSpans {
 public:
  /// Both ends are included. Spans of one bit may overlap.
  void add(uint32_t bit, uint32_t first, uint32_t last) {
    edges_.push_back({first, bit, 1});
    edges_.push_back({last + 1, bit, -1});
  }
  bool empty() const { return edges_.empty(); }
  /// Whether each span is all of [0, end).
  bool all_whole(uint32_t end) const {
    return std::all_of(edges_.begin(), edges_.end(), [&](const Edge& e) { return e.at == (e.change > 0 ? 0 : end); });
  }

  /// Goes through [0, end) from below and calls `part(row, first, end)` for each part in which the same bits are set,
  /// beside those of `row`, which has none of the spans'.
  template <typename Part>
  void each_part(BitRows::Row row, uint32_t end, Part&& part) {
    std::sort(edges_.begin(), edges_.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });
    std::vector<int> open(64 * row.size());
    size_t next = 0;
    for (uint32_t at = 0; at < end;) {
      for (; next < edges_.size() && edges_[next].at <= at; ++next) change(row, open, edges_[next]);
      const uint32_t until = next < edges_.size() ? std::min(edges_[next].at, end) : end;
      part(row, at, until);
      at = until;
    }
  }

 private:
  struct Edge {
    uint32_t at;
    uint32_t bit;
    int change;
  };
  static void change(BitRows::Row& row, std::vector<int>& open, const Edge& edge) {
    open[edge.bit] += edge.change;
    if (open[edge.bit] > 0) {
      BitRows::set(row, edge.bit);
    } else {
      row[edge.bit / 64] &= ~(uint64_t{1} << edge.bit % 64);
    }
  }

  std::vector<Edge> edges_;
};

}  // namespace flatproxy
