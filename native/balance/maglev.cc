#include "balance/maglev.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <tuple>

#include "packet/flow_hash.h"

namespace flatproxy {
namespace {

/// Places for one candidate; four times as many have twice as many.
constexpr double kPlacesOfOne = 4096;
constexpr uint32_t kFree = ~0u;

/// One candidate's claims, until it has its share and an eighth.
struct Claimant {
  uint32_t entry;
  uint64_t sequence;
  int64_t room;  ///< width that it may still have
};

/// Those of one weight, by name: the order in which the mesh lists endpoints has no influence. They claim together,
/// so that a round costs no more than there are weights and claims.
struct Class {
  uint32_t weight;
  uint32_t credit = 0;
  std::vector<Claimant> members = {};
};

std::vector<Class> start_claims(const std::vector<Maglev::Entry>& entries, uint64_t width) {
  uint64_t total = 0;
  for (const auto& entry : entries) total += entry.weight;
  std::vector<uint32_t> order(entries.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto rank = [&](uint32_t i) { return std::tuple(-entries[i].weight, entries[i].name_hash); };
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return rank(a) < rank(b); });
  std::vector<Class> classes;
  for (const uint32_t i : order) {
    const auto& [name, weight] = entries[i];
    if (classes.empty() || classes.back().weight != weight) classes.push_back({weight});
    const uint64_t sequence = fold_multiply(name ^ kBalanceKey.words[0], kBalanceKey.words[1]);
    const uint64_t most = (width * weight * 9 + total * 8 - 1) / (total * 8);
    classes.back().members.push_back({i, sequence, static_cast<int64_t>(most)});
  }
  return classes;
}

class Table {
 public:
  explicit Table(const Maglev::Places& places) : places_(places), owners_(places.count(), kFree) {}

  /// Claims the next place of its sequence. False: somebody has it.
  bool claim(Claimant& claimant) {
    claimant.sequence += 0x9e3779b97f4a7c15u;
    const uint64_t next = fold_multiply(claimant.sequence ^ kBalanceKey.words[2], kBalanceKey.words[3]);
    const uint32_t i = places_.index(static_cast<uint32_t>(next >> 32));
    if (owners_[i] != kFree) return false;
    owners_[i] = claimant.entry;
    claimant.room -= places_.width(i);
    ++taken_;
    return true;
  }
  bool full() const { return taken_ == owners_.size(); }
  std::vector<uint32_t> take() { return std::move(owners_); }

 private:
  Maglev::Places places_;
  std::vector<uint32_t> owners_;
  size_t taken_ = 0;
};

/// One claim of each that still has room.
void claim_all(Table& table, std::vector<Claimant>& members) {
  bool done = false;
  for (Claimant& claimant : members) {
    if (table.full()) return;
    table.claim(claimant);
    done |= claimant.room <= 0;
  }
  if (done) std::erase_if(members, [](const Claimant& claimant) { return claimant.room <= 0; });
}

std::vector<uint32_t> fill(std::vector<Class> classes, const Maglev::Places& places) {
  Table table(places);
  // Everybody has a place, however light it is: there are far more places than candidates.
  for (Class& each : classes) {
    for (Claimant& claimant : each.members) {
      while (!table.claim(claimant)) continue;
    }
  }
  // A power of two: the pace of the others changes seldom when the heaviest one does.
  const uint32_t turn = std::bit_ceil(classes.front().weight);
  while (!table.full()) {
    for (Class& each : classes) {
      each.credit += each.weight;
      if (each.credit < turn) continue;
      each.credit -= turn;
      claim_all(table, each.members);
    }
  }
  return table.take();
}

}  // namespace

Maglev::Places Maglev::Places::of(uint32_t count) {
  const auto bits = static_cast<uint32_t>(std::bit_width(count)) - 1;
  return {.shift = 32 - bits, .split = count - (1u << bits)};
}

Maglev::Maglev(const std::vector<Entry>& entries, size_t sized_for) {
  if (entries.empty()) return;
  const auto candidates = static_cast<double>(std::max(sized_for, entries.size()));
  places_ = Places::of(static_cast<uint32_t>(kPlacesOfOne * std::sqrt(candidates)));
  std::vector<uint32_t> owners = fill(start_claims(entries, places_.total_width()), places_);
  if (entries.size() > 65536) {
    wide_ = std::move(owners);
  } else {
    narrow_.assign(owners.begin(), owners.end());
  }
}

}  // namespace flatproxy
