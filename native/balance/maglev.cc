#include "balance/maglev.h"

#include <algorithm>
#include <array>

namespace flatproxy {
namespace {

/// Primes, so that every step walks through all places.
constexpr std::array<uint32_t, 12> kSizes = {251,    509,    1021,   2039,   4093,    8191,
                                             16381, 32749, 65521, 131071, 262139, 1048573};
constexpr uint32_t kFree = ~0u;

uint32_t size_for(size_t entries) {
  for (const uint32_t size : kSizes) {
    if (size >= entries * Maglev::kPlacesPerEntry) return size;
  }
  return kSizes.back();
}

/// One candidate's walk through the places.
struct Walk {
  uint64_t next;
  uint64_t step;
  uint64_t credit = 0;  // grows by the weight; a turn costs the largest weight
};

}  // namespace

Maglev::Maglev(const std::vector<Entry>& entries) {
  if (entries.empty()) return;
  const uint32_t size = size_for(entries.size());
  places_.assign(size, kFree);
  // Turns go by name, so that the table does not depend on the order in which the mesh lists its endpoints.
  std::vector<uint32_t> order(entries.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return entries[a].name_hash < entries[b].name_hash; });
  std::vector<Walk> walks;
  uint64_t heaviest = 0;
  for (const Entry& entry : entries) {
    const uint64_t second = (entry.name_hash ^ entry.name_hash >> 29) * 0xbf58476d1ce4e5b9u;
    walks.push_back({(entry.name_hash >> 16) % size, (second >> 16) % (size - 1) + 1});
    heaviest = std::max<uint64_t>(heaviest, entry.weight);
  }
  for (uint32_t filled = 0; filled < size;) {
    for (const uint32_t i : order) {
      Walk& walk = walks[i];
      walk.credit += entries[i].weight;
      if (walk.credit < heaviest) continue;
      walk.credit -= heaviest;
      while (places_[walk.next] != kFree) walk.next = (walk.next + walk.step) % size;
      places_[walk.next] = i;
      if (++filled == size) return;
    }
  }
}

}  // namespace flatproxy
