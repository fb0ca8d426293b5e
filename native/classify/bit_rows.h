#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace flatproxy {

/// Sets of rules as rows of bits. A row keeps the words that have any, behind a summary that says which these are: so
/// several sets are intersected by looking at few words (aggregated bit vectors; Baboescu and Varghese, "Scalable
/// Packet Classification", SIGCOMM 2001), and a set of few takes little room among many rules. Equal rows are kept
/// once.
class BitRows {
 public:
  using Row = std::vector<uint64_t>;  ///< while it is being made
  static constexpr uint32_t kNone = ~uint32_t{0};

  explicit BitRows(uint32_t bits = 0) : words_((bits + 63) / 64), summary_((words_ + 63) / 64) {}

  Row blank() const { return Row(words_); }
  static void set(Row& row, uint32_t bit) { row[bit / 64] |= uint64_t{1} << bit % 64; }
  static void unite(Row& row, const Row& other) {
    for (size_t i = 0; i < row.size(); ++i) row[i] |= other[i];
  }

  /// Adds a row; returns where it is, which for equal ones is the same place.
  uint32_t add(const Row& row);
  /// No more rows will come.
  void seal();
  size_t bytes() const { return cells_.size() * sizeof(uint64_t); }

  /// A row that was added, as it is intersected with others of as many bits.
  struct View {
    const uint64_t* cells;
    uint32_t summary;  ///< words of it
  };
  View at(uint32_t row) const { return {cells_.data() + row, summary_}; }

  /// Calls `visit` with each bit that is set in all the rows, ascending, until it returns false.
  template <typename Visit, typename... Others>
  static void each(Visit&& visit, View first, Others... others) {
    intersect(visit, first.summary, {first.cells, others.cells...}, std::index_sequence_for<View, Others...>());
  }

  /// The first of them, or kNone.
  template <typename... Views>
  static uint32_t first(Views... rows) {
    uint32_t found = kNone;
    each(
        [&found](uint32_t bit) {
          found = bit;
          return false;
        },
        rows...);
    return found;
  }

 private:
  template <typename Visit, size_t... kRow>
  static void intersect(Visit& visit, uint32_t summary, std::array<const uint64_t*, sizeof...(kRow)> rows,
                        std::index_sequence<kRow...>) {
    std::array<const uint64_t*, sizeof...(kRow)> words{rows[kRow] + summary...};
    for (uint32_t i = 0; i < summary; ++i) {
      for (uint64_t some = (rows[kRow][i] & ...); some != 0; some &= some - 1) {
        const uint64_t below = (some & -some) - 1;
        uint64_t all = (words[kRow][std::popcount(rows[kRow][i] & below)] & ...);
        const auto word = 64 * i + static_cast<uint32_t>(std::countr_zero(some));
        for (; all != 0; all &= all - 1) {
          if (!visit(64 * word + static_cast<uint32_t>(std::countr_zero(all)))) return;
        }
      }
      ((words[kRow] += std::popcount(rows[kRow][i])), ...);
    }
  }

  uint32_t words_;
  uint32_t summary_;
  std::vector<uint64_t> cells_;                        // each row: its summary, then its words that are not zero
  std::unordered_multimap<uint64_t, uint32_t> known_;  // rows by hash, until all are there
};

}  // namespace flatproxy
