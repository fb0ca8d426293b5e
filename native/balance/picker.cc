#include "balance/picker.h"

#include <algorithm>
#include <numeric>

namespace flatproxy {
namespace {

/// Places of a hash table that are tried before the candidates are asked one by one.
constexpr uint32_t kHashAttempts = 16;
/// Up to this many candidates the one with the fewest flows is searched; above, the better one of two is taken.
constexpr size_t kSearched = 64;
/// Turns of a weighted round robin; finer shares are rounded.
constexpr uint64_t kMostTurns = 4096;

/// Spreads each candidate's turns evenly: whoever is furthest behind its share goes next.
std::vector<uint32_t> interleave(const std::vector<Picker::Candidate>& candidates) {
  uint64_t total = 0;
  uint32_t common = 0;
  for (const auto& c : candidates) {
    total += c.weight;
    common = std::gcd(common, uint32_t{c.weight});
  }
  if (candidates.empty()) return {};
  const uint64_t turns = std::min(total / common, std::max<uint64_t>(kMostTurns, candidates.size()));
  std::vector<uint32_t> order;
  for (uint32_t i = 0; i < candidates.size(); ++i) {
    const uint64_t mine = std::max<uint64_t>(1, turns * candidates[i].weight / total);
    order.insert(order.end(), mine, i);
  }
  if (order.size() == candidates.size()) return order;
  std::vector<uint64_t> seen(candidates.size());
  std::vector<std::pair<double, uint32_t>> keyed;
  for (const uint32_t i : order) {
    // When its next turn is due; each begins at another point of its own period, or all would come at once.
    const double begin = (i + 0.5) / static_cast<double>(candidates.size());
    keyed.emplace_back((static_cast<double>(seen[i]++) + begin) / static_cast<double>(candidates[i].weight), i);
  }
  std::stable_sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::transform(keyed.begin(), keyed.end(), order.begin(), [](const auto& k) { return k.second; });
  return order;
}

}  // namespace

Picker::Picker(Balance balance, uint32_t service_id, std::vector<Candidate> candidates)
    : balance_(balance), service_id_(service_id), candidates_(std::move(candidates)) {
  const size_t with_drained = candidates_.size();
  std::erase_if(candidates_, [](const Candidate& c) { return c.drain || c.weight == 0; });
  if (balance_ == Balance::maglev) {
    std::vector<Maglev::Entry> entries;
    for (const Candidate& c : candidates_) entries.push_back({c.name_hash, c.weight});
    maglev_ = Maglev(entries, with_drained);
  }
  if (balance_ == Balance::ring_hash) {
    std::vector<RingHash::Entry> entries;
    for (const Candidate& c : candidates_) entries.push_back({c.name_hash, c.weight});
    ring_ = RingHash(entries);
  }
  if (balance_ == Balance::round_robin) turns_ = interleave(candidates_);
}

uint32_t Picker::pick(uint64_t hash, const LaneBalance& lane) const {
  if (candidates_.empty()) return kNone;
  switch (balance_) {
    case Balance::maglev:
      return pick_by_hash(maglev_, hash, lane);
    case Balance::ring_hash:
      return pick_by_hash(ring_, hash, lane);
    case Balance::round_robin:
      return pick_round_robin(lane);
    case Balance::least_request:
      return pick_least_request(hash, lane);
  }
  return kNone;
}

uint32_t Picker::peek(uint64_t hash, const LaneBalance& lane) const {
  const uint32_t turn = lane.next_in_turn[service_id_];
  const uint32_t chosen = pick(hash, lane);
  lane.next_in_turn[service_id_] = turn;
  return chosen;
}

/// When all are passed over: the one at a place of candidates_, or, if that is avoided, the next one.
uint32_t Picker::in_panic(uint32_t place, const LaneBalance& lane) const {
  if (candidates_[place].id == lane.avoided) place = (place + 1) % static_cast<uint32_t>(candidates_.size());
  return candidates_[place].index;
}

template <typename Table>
uint32_t Picker::pick_by_hash(const Table& table, uint64_t hash, const LaneBalance& lane) const {
  for (uint32_t attempt = 0; attempt < kHashAttempts; ++attempt) {
    const Candidate& c = candidates_[table.at(hash, attempt)];
    if (lane.usable(c.id)) [[likely]]
      return c.index;
  }
  const size_t start = hash % candidates_.size();
  for (size_t i = 0; i < candidates_.size(); ++i) {
    const Candidate& c = candidates_[(start + i) % candidates_.size()];
    if (lane.usable(c.id)) return c.index;
  }
  return in_panic(table.at(hash), lane);
}

uint32_t Picker::pick_round_robin(const LaneBalance& lane) const {
  uint32_t& position = lane.next_in_turn[service_id_];
  for (size_t i = 0; i < turns_.size(); ++i) {
    if (++position >= turns_.size()) position = 0;
    const Candidate& c = candidates_[turns_[position]];
    if (lane.usable(c.id)) return c.index;
  }
  if (++position >= turns_.size()) position = 0;
  return in_panic(turns_[position], lane);
}

uint32_t Picker::pick_least_request(uint64_t hash, const LaneBalance& lane) const {
  constexpr uint32_t kUsable = 2;
  const Candidate* best = nullptr;
  uint32_t best_rank = 0;
  const auto consider = [&](const Candidate& c) {
    const uint32_t rank = lane.usable(c.id) ? kUsable : c.id != lane.avoided ? 1 : 0;
    if (best != nullptr) {
      // With the flow to come counted in, so that weights matter among the idle, too.
      const uint64_t load = (uint64_t{lane.open_flows[c.id]} + 1) * best->weight;
      const uint64_t best_load = (uint64_t{lane.open_flows[best->id]} + 1) * c.weight;
      if (rank < best_rank || (rank == best_rank && load >= best_load)) return;
    }
    best = &c;
    best_rank = rank;
  };
  const size_t n = candidates_.size();
  if (n <= kSearched) {
    // Begins at another one for every flow, so that equals share.
    for (size_t i = 0; i < n; ++i) consider(candidates_[(hash + i) % n]);
    return best->index;
  }
  consider(candidates_[(hash & 0xffffffff) % n]);
  consider(candidates_[(hash >> 32) % n]);
  for (size_t i = 0; i < n && best_rank < kUsable; ++i) consider(candidates_[(hash + i) % n]);
  return best->index;
}

}  // namespace flatproxy
