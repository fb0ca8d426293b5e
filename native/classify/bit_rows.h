#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace flatproxy {

/// Sets of rules as rows of bits. A row keeps the words that have any, behind a summary that says which these are: so
/// three sets are intersected by looking at few words (aggregated bit vectors; Baboescu and Varghese, "Scalable Packet
/// Classification", SIGCOMM 2001), and a set of few takes little room among many rules. Equal rows are kept once.
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

  /// Calls `visit` with each bit that is set in all three rows, ascending, until it returns false.
  template <typename Visit>
  static void each(const BitRows& a, uint32_t row_a, const BitRows& b, uint32_t row_b, const BitRows& c, uint32_t row_c,
                   Visit&& visit) {
    const uint64_t* x = a.cells_.data() + row_a;
    const uint64_t* y = b.cells_.data() + row_b;
    const uint64_t* z = c.cells_.data() + row_c;
    const uint64_t* x_words = x + a.summary_;
    const uint64_t* y_words = y + a.summary_;
    const uint64_t* z_words = z + a.summary_;
    for (uint32_t i = 0; i < a.summary_; ++i) {
      for (uint64_t some = x[i] & y[i] & z[i]; some != 0; some &= some - 1) {
        const uint64_t below = (some & -some) - 1;
        uint64_t all = x_words[std::popcount(x[i] & below)] & y_words[std::popcount(y[i] & below)] &
                       z_words[std::popcount(z[i] & below)];
        const auto word = 64 * i + static_cast<uint32_t>(std::countr_zero(some));
        for (; all != 0; all &= all - 1) {
          if (!visit(64 * word + static_cast<uint32_t>(std::countr_zero(all)))) return;
        }
      }
      x_words += std::popcount(x[i]);
      y_words += std::popcount(y[i]);
      z_words += std::popcount(z[i]);
    }
  }

  /// The first of them, or kNone.
  static uint32_t first(const BitRows& a, uint32_t row_a, const BitRows& b, uint32_t row_b, const BitRows& c,
                        uint32_t row_c) {
    uint32_t found = kNone;
    each(a, row_a, b, row_b, c, row_c, [&found](uint32_t bit) {
      found = bit;
      return false;
    });
    return found;
  }

 private:
  uint32_t words_;
  uint32_t summary_;
  std::vector<uint64_t> cells_;                        // each row: its summary, then its words that are not zero
  std::unordered_multimap<uint64_t, uint32_t> known_;  // rows by hash, until all are there
};

}  // namespace flatproxy
