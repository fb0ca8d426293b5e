#include "balance/maglev.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "packet/flow_hash.h"

namespace flatproxy {
namespace {

/// What a change moves grows with the candidates and shrinks with the places for each (measured: 2 shares where about
/// as many places as candidates fall to each). Few sizes, since crossing from one to the next moves everything.
struct Size {
  uint32_t places;  // prime, so that every step walks through all of them
  size_t entries;   // up to so many
};
constexpr std::array<Size, 4> kSizes = {{{2039, 20}, {16381, 120}, {131071, 320}, {655373, Maglev::kEvenEntries}}};
static_assert(std::all_of(kSizes.begin(), kSizes.end(),
                          [](const Size& s) { return s.places >= s.entries * Maglev::kPlacesPerEntry; }));
constexpr uint32_t kFree = ~0u;

uint32_t size_for(size_t entries) {
  for (const Size& size : kSizes) {
    if (entries <= size.entries) return size.places;
  }
  return kSizes.back().places;
}

/// One candidate's walk through the places, until it has claimed as many as it is to have.
struct Walk {
  uint32_t entry;
  uint32_t next;
  uint32_t step;
  uint64_t quota;
};

/// The walks in the order of their turns: by name, so that the order in which the mesh lists endpoints has no
/// influence.
std::vector<Walk> start_walks(const std::vector<Maglev::Entry>& entries, uint32_t size) {
  uint64_t total = 0;
  for (const auto& entry : entries) total += entry.weight;
  std::vector<uint32_t> order(entries.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return entries[a].name_hash < entries[b].name_hash; });
  std::vector<Walk> walks;
  walks.reserve(entries.size());
  for (const uint32_t i : order) {
    const uint64_t name = entries[i].name_hash;
    const uint64_t first = fold_multiply(name ^ kBalanceKey.words[0], kBalanceKey.words[1]);
    const uint64_t second = fold_multiply(name ^ kBalanceKey.words[2], kBalanceKey.words[3]);
    // Rounded up: all quotas together fill the table, and the last round of turns is cut off.
    const uint64_t quota = (uint64_t{size} * entries[i].weight + total - 1) / total;
    walks.push_back({i, static_cast<uint32_t>(first % size), static_cast<uint32_t>(second % (size - 1) + 1), quota});
  }
  return walks;
}

std::vector<uint32_t> fill(std::vector<Walk> walks, uint32_t size) {
  std::vector<uint32_t> places(size, kFree);
  uint32_t filled = 0;
  while (true) {
    for (Walk& walk : walks) {
      while (places[walk.next] != kFree) {
        walk.next += walk.step;
        if (walk.next >= size) walk.next -= size;
      }
      places[walk.next] = walk.entry;
      --walk.quota;
      if (++filled == size) return places;
    }
    std::erase_if(walks, [](const Walk& walk) { return walk.quota == 0; });
  }
}

}  // namespace

Maglev::Maglev(const std::vector<Entry>& entries, size_t sized_for) {
  if (entries.empty()) return;
  size_ = size_for(std::max(sized_for, entries.size()));
  std::vector<uint32_t> places = fill(start_walks(entries, size_), size_);
  if (entries.size() > 65536) {
    wide_ = std::move(places);
  } else {
    narrow_.assign(places.begin(), places.end());
  }
}

}  // namespace flatproxy
