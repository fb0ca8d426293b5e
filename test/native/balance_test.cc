#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "balance/maglev.h"
#include "balance/picker.h"
#include "balance/ring_hash.h"
#include "packet/flow_hash.h"

namespace flatproxy {
namespace {

uint64_t nth_hash(uint64_t n) {
  return fold_multiply(n + 1, 0x9e3779b97f4a7c15u) ^ fold_multiply(n, 0xd6e8feb86659fd93u);
}

std::vector<Picker::Candidate> candidates(uint32_t n, uint16_t weight = 1) {
  std::vector<Picker::Candidate> all;
  for (uint32_t i = 0; i < n; ++i) all.push_back({i, i, weight, false, nth_hash(1000 + i)});
  return all;
}

std::vector<Maglev::Entry> entries(uint32_t n, uint16_t weight = 1) {
  std::vector<Maglev::Entry> all;
  for (uint32_t i = 0; i < n; ++i) all.push_back({nth_hash(1000 + i), weight});
  return all;
}

constexpr uint32_t kPoints = 1u << 20;

/// A hash in each of kPoints equal parts of all hashes.
uint64_t point(uint32_t i) { return uint64_t{i} << 44 | 1u << 20; }

/// Each candidate's part of all hashes, in points.
std::vector<uint32_t> shares(const Maglev& table, size_t n) {
  std::vector<uint32_t> count(n);
  for (uint32_t i = 0; i < kPoints; ++i) ++count[table.at(point(i))];
  return count;
}

/// A lane's state for endpoint ids and service ids below 20000.
struct World {
  std::vector<uint32_t> next_in_turn = std::vector<uint32_t>(4);
  std::vector<uint32_t> open_flows = std::vector<uint32_t>(20000);
  std::vector<uint32_t> passed_over_until = std::vector<uint32_t>(20000);
  EndpointHealth health{20000};
  LaneBalance lane{next_in_turn.data(), open_flows.data(), passed_over_until.data(), health};
};

// ---- Maglev

TEST(Maglev, SharesAreEven) {
  const std::vector<std::pair<uint32_t, double>> lightest = {{1, 1.0},   {2, 0.98},   {3, 0.96},   {10, 0.93},
                                                             {20, 0.92}, {100, 0.85}, {700, 0.75}, {5000, 0.55}};
  for (const auto& [n, least] : lightest) {
    const Maglev table(entries(n), n);
    const double ideal = static_cast<double>(kPoints) / n;
    const double place = 2.0 * kPoints / table.size();
    for (const uint32_t share : shares(table, n)) {
      EXPECT_GE(share, least * ideal) << n;
      EXPECT_LE(share, ideal * 9 / 8 + place) << n;
    }
  }
}

TEST(Maglev, SharesFollowWeights) {
  std::vector<Maglev::Entry> all = entries(12);
  const std::vector<uint16_t> weights = {1, 1, 2, 3, 5, 8, 100, 100, 50, 50, 10, 10};
  uint32_t total = 0;
  for (size_t i = 0; i < all.size(); ++i) total += all[i].weight = weights[i];
  const Maglev table(all, all.size());
  const auto count = shares(table, all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    const double ideal = static_cast<double>(kPoints) * weights[i] / total;
    // Three standard deviations of as many independent places.
    const double places = static_cast<double>(table.size()) * weights[i] / total;
    EXPECT_NEAR(count[i], ideal, 3 * ideal / std::sqrt(places)) << "weight " << weights[i];
  }
}

TEST(Maglev, EvenTheLightestHasAPlace) {
  std::vector<Maglev::Entry> all = entries(2);
  all[1].weight = 65535;
  const uint32_t share = shares(Maglev(all, 2), 2)[0];
  EXPECT_GT(share, 0u);
  EXPECT_LE(share, kPoints / 4096);
}

TEST(Maglev, ManyWeightsTakeNoLonger) {
  // The heaviest one sets the pace; the light ones have much of the table to fill.
  std::vector<Maglev::Entry> all = entries(2000);
  for (uint32_t i = 0; i < all.size(); ++i) all[i].weight = static_cast<uint16_t>(1 + i % 362);
  all[0].weight = 65535;
  const auto count = shares(Maglev(all, all.size()), all.size());
  const uint64_t light = std::accumulate(count.begin() + 1, count.end(), uint64_t{0});
  const double ideal = 1 - 65535.0 / (65535 + std::accumulate(all.begin() + 1, all.end(), 0.0,
                                                              [](double sum, auto& e) { return sum + e.weight; }));
  EXPECT_NEAR(static_cast<double>(light) / kPoints, ideal, 0.01);
}

TEST(Maglev, OrderHasNoInfluence) {
  std::vector<Maglev::Entry> all = entries(50);
  for (size_t i = 0; i < all.size(); ++i) all[i].weight = static_cast<uint16_t>(1 + i % 3);
  std::vector<Maglev::Entry> turned(all.rbegin(), all.rend());
  const Maglev a(all, 50);
  const Maglev b(turned, 50);
  for (uint32_t i = 0; i < kPoints; ++i) ASSERT_EQ(a.at(point(i)), 49 - b.at(point(i)));
}

/// How much of all hashes goes to another one than before, each table sized for its own candidates.
double moved(const std::vector<Maglev::Entry>& before, const std::vector<Maglev::Entry>& after) {
  const Maglev a(before, before.size());
  const Maglev b(after, after.size());
  uint32_t count = 0;
  for (uint32_t i = 0; i < kPoints; ++i) {
    if (before[a.at(point(i))].name_hash != after[b.at(point(i))].name_hash) ++count;
  }
  return static_cast<double>(count) / kPoints;
}

TEST(Maglev, AtMostTwiceAShareMovesWhenOneGoesOrComes) {
  for (const uint32_t n : {2u, 3u, 4u, 5u, 10u, 16u, 17u, 20u, 21u, 64u, 65u, 100u, 120u, 250u, 300u, 600u, 1000u}) {
    const std::vector<Maglev::Entry> all = entries(n);
    for (const uint32_t gone : {0u, n / 2, n - 1}) {
      std::vector<Maglev::Entry> fewer = all;
      fewer.erase(fewer.begin() + gone);
      EXPECT_LE(moved(all, fewer), 2.0 / n) << n << " without " << gone;
      EXPECT_GT(moved(fewer, all), 0.5 / n) << n << " with " << gone;
    }
  }
}

TEST(Maglev, AmongThousandsTwiceAShareMovesOnAverage) {
  for (const uint32_t n : {3000u, 10'000u}) {
    const std::vector<Maglev::Entry> all = entries(n);
    double sum = 0;
    for (uint32_t i = 0; i < 5; ++i) {
      std::vector<Maglev::Entry> fewer = all;
      fewer.erase(fewer.begin() + i * (n / 5));
      sum += moved(all, fewer);
    }
    EXPECT_LE(sum / 5, 2.0 / n) << n;
  }
}

TEST(Maglev, AChangedWeightMovesLittle) {
  std::vector<Maglev::Entry> all = entries(20, 100);
  std::vector<Maglev::Entry> lighter = all;
  lighter[7].weight = 50;
  EXPECT_LE(moved(all, lighter), 1.0 / 20) << "half a share goes to the others";
  std::vector<Maglev::Entry> heavier = all;
  heavier[7].weight = 150;
  EXPECT_LE(moved(all, heavier), 1.0 / 20) << "the pace of all is another one";
}

TEST(Maglev, MoreThanFitInto16Bits) {
  const uint32_t n = 70'000;
  const Maglev table(entries(n), n);
  const auto count = shares(table, n);
  // All of them can be found, the ones above 65,536 no less than the others.
  const auto found = [&](size_t from, size_t to) {
    return static_cast<double>(std::accumulate(count.begin() + from, count.begin() + to, uint64_t{0})) / kPoints;
  };
  EXPECT_NEAR(found(65'536, n), (n - 65'536.0) / n, 0.01);
  EXPECT_EQ(std::count(count.begin(), count.end(), 0u), 0);
}

// ---- ring hash

std::vector<RingHash::Entry> ring_entries(uint32_t n) {
  std::vector<RingHash::Entry> all;
  for (uint32_t i = 0; i < n; ++i) all.push_back({nth_hash(1000 + i), 1});
  return all;
}

std::vector<uint32_t> owners(const RingHash& ring) {
  std::vector<uint32_t> all(kPoints);
  for (uint32_t i = 0; i < kPoints; ++i) all[i] = ring.at(point(i));
  return all;
}

double share_of(const std::vector<uint32_t>& all, uint32_t owner) {
  return static_cast<double>(std::ranges::count(all, owner)) / kPoints;
}

TEST(RingHash, AHashBelongsToTheNextPoint) {
  // By the definition alone: whoever's point is the next one at or behind a place, round the end of the ring.
  const auto all = ring_entries(3);
  const RingHash ring(all);
  const auto with_all = owners(ring);
  uint32_t changes = 0;
  for (uint32_t i = 1; i < kPoints; ++i) changes += with_all[i] != with_all[i - 1] ? 1 : 0;
  EXPECT_LE(changes, ring.size());
  EXPECT_EQ(ring.size(), 3 * RingHash::kPointsOfOne);
  EXPECT_EQ(ring.at(~uint64_t{0}), ring.at(0));
}

TEST(RingHash, SharesFollowWeights) {
  for (const uint32_t n : {2u, 10u, 100u}) {
    auto all = ring_entries(n);
    double total = 0;
    for (uint32_t i = 0; i < n; ++i) total += all[i].weight = static_cast<uint16_t>(1 + i % 4);
    const auto owner = owners(RingHash(all));
    for (uint32_t i = 0; i < n; ++i) {
      const double ideal = all[i].weight / total;
      const double points = RingHash::kPointsOfOne * n * ideal;
      EXPECT_NEAR(share_of(owner, i), ideal, 4 * ideal / std::sqrt(points)) << i << " of " << n;
    }
  }
}

TEST(RingHash, WhatDoesNotBelongToTheOneThatGoesStays) {
  for (const uint32_t n : {2u, 10u, 100u, 1000u}) {
    auto all = ring_entries(n);
    const auto before = owners(RingHash(all));
    all.pop_back();
    const auto after = owners(RingHash(all));
    for (uint32_t i = 0; i < kPoints; ++i) {
      if (before[i] == n - 1) continue;
      ASSERT_EQ(after[i], before[i]);
    }
  }
}

TEST(RingHash, AChangedWeightMovesAsMuchElseAsTheAverageChanges) {
  auto all = ring_entries(10);
  const auto before = owners(RingHash(all));
  all[3].weight = 2;
  const auto after = owners(RingHash(all));
  uint32_t others = 0;
  for (uint32_t i = 0; i < kPoints; ++i) others += before[i] != after[i] && after[i] != 3 ? 1 : 0;
  EXPECT_LE(others, kPoints / 11);
  EXPECT_NEAR(share_of(after, 3), 2.0 / 11, 0.04);
}

TEST(RingHash, OrderHasNoInfluence) {
  const auto all = ring_entries(50);
  const std::vector<RingHash::Entry> turned(all.rbegin(), all.rend());
  const RingHash a(all);
  const RingHash b(turned);
  for (uint32_t i = 0; i < kPoints; ++i) ASSERT_EQ(a.at(point(i)), 49 - b.at(point(i)));
}

TEST(RingHash, ManyHaveFewerPoints) {
  constexpr uint32_t kMany = 20'000;
  const RingHash ring(ring_entries(kMany));
  EXPECT_LE(ring.size(), RingHash::kMostPoints + kMany);
  auto one = ring_entries(2);
  one[1].weight = 65535;
  const auto owner = owners(RingHash(one));
  EXPECT_GT(share_of(owner, 0), 0);
  EXPECT_LT(share_of(owner, 0), 0.02);
}

// ---- health, drain, panic; common to all

class EveryBalance : public testing::TestWithParam<Balance> {};
INSTANTIATE_TEST_SUITE_P(All, EveryBalance,
                         testing::Values(Balance::maglev, Balance::round_robin, Balance::least_request,
                                         Balance::ring_hash));

TEST_P(EveryBalance, AvoidsOneIfThereIsAnother) {
  World world;
  const Picker picker(GetParam(), 0, candidates(2));
  world.open_flows[1] = 9;
  world.lane.avoided = 0;
  for (uint32_t i = 0; i < 100; ++i) EXPECT_EQ(picker.pick(nth_hash(i), world.lane), 1u);
  world.passed_over_until[0] = world.passed_over_until[1] = 9;
  for (uint32_t i = 0; i < 100; ++i) EXPECT_EQ(picker.pick(nth_hash(i), world.lane), 1u) << "in panic, too";
  EXPECT_EQ(Picker(GetParam(), 0, candidates(1)).pick(1, world.lane), 0u);
}

TEST_P(EveryBalance, NothingToChooseFrom) {
  World world;
  EXPECT_EQ(Picker().pick(1, world.lane), Picker::kNone);
  EXPECT_EQ(Picker(GetParam(), 0, {}).pick(1, world.lane), Picker::kNone);
  auto all = candidates(3);
  all[0].drain = all[1].drain = true;
  all[2].weight = 0;
  const Picker picker(GetParam(), 0, all);
  EXPECT_TRUE(picker.empty());
  EXPECT_EQ(picker.pick(1, world.lane), Picker::kNone);
}

TEST_P(EveryBalance, GivesTheIndexAndPassesOverTheUnhealthyAndDrained) {
  for (const uint32_t n : {5u, 200u}) {
    World world;
    auto all = candidates(n);
    for (auto& c : all) c.index = c.id + 7;
    all[1].drain = true;
    all[2].weight = 0;
    const Picker picker(GetParam(), 0, all);
    world.health.set(3, false);
    std::map<uint32_t, unsigned> seen;
    for (uint64_t i = 0; i < 20000; ++i) ++seen[picker.pick(nth_hash(i), world.lane)];
    EXPECT_EQ(seen.size(), n - 3);
    for (const auto& [index, count] : seen) {
      EXPECT_TRUE(index >= 7 && index < n + 7);
      EXPECT_TRUE(index != 8 && index != 9 && index != 10) << index;
    }
  }
}

TEST_P(EveryBalance, PassesOverThoseThatHaveFailedForAWhile) {
  World world;
  const Picker picker(GetParam(), 0, candidates(2));
  world.passed_over_until[1] = 30;
  world.lane.now = 29;
  for (uint64_t i = 0; i < 100; ++i) EXPECT_EQ(picker.pick(nth_hash(i), world.lane), 0u);
  world.lane.now = 30;
  std::map<uint32_t, unsigned> seen;
  for (uint64_t i = 0; i < 1000; ++i) ++seen[picker.pick(nth_hash(i), world.lane)];
  EXPECT_EQ(seen.size(), 2u);
}

TEST_P(EveryBalance, WhenAllAreUnhealthyAllCount) {
  World world;
  const Picker picker(GetParam(), 0, candidates(4));
  for (uint32_t i = 0; i < 4; ++i) world.health.set(i, false);
  std::map<uint32_t, unsigned> seen;
  for (uint64_t i = 0; i < 4000; ++i) ++seen[picker.pick(nth_hash(i), world.lane)];
  EXPECT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen.count(Picker::kNone), 0u);
}

TEST_P(EveryBalance, FindsTheOnlyHealthyOne) {
  for (const uint32_t n : {40u, 300u}) {
    World world;
    const Picker picker(GetParam(), 0, candidates(n));
    for (uint32_t i = 0; i < n; ++i) world.health.set(i, i == 17);
    for (uint64_t i = 0; i < 200; ++i) ASSERT_EQ(picker.pick(nth_hash(i), world.lane), 17u);
  }
}

// ---- Maglev in use

TEST(PickMaglev, OthersStayWhenOneIsUnhealthy) {
  World world;
  const Picker picker(Balance::maglev, 0, candidates(10));
  std::vector<uint32_t> before;
  for (uint64_t i = 0; i < 20000; ++i) before.push_back(picker.pick(nth_hash(i), world.lane));
  world.health.set(4, false);
  std::map<uint32_t, unsigned> heirs;
  for (uint64_t i = 0; i < before.size(); ++i) {
    const uint32_t now = picker.pick(nth_hash(i), world.lane);
    if (before[i] != 4) {
      ASSERT_EQ(now, before[i]);
    } else {
      ++heirs[now];
    }
  }
  EXPECT_EQ(heirs.size(), 9u);
  for (const auto& [index, count] : heirs) EXPECT_NEAR(count, 20000 / 10 / 9, 60) << index;
  world.health.set(4, true);
  for (uint64_t i = 0; i < before.size(); ++i) ASSERT_EQ(picker.pick(nth_hash(i), world.lane), before[i]);
}

TEST(PickMaglev, DrainingMovesLittle) {
  World world;
  auto all = candidates(10);
  const Picker before(Balance::maglev, 0, all);
  all[4].drain = true;
  const Picker after(Balance::maglev, 0, all);
  unsigned others = 0;
  for (uint64_t i = 0; i < 20000; ++i) {
    const uint32_t was = before.pick(nth_hash(i), world.lane);
    const uint32_t is = after.pick(nth_hash(i), world.lane);
    EXPECT_NE(is, 4u);
    if (was != 4 && was != is) ++others;
  }
  EXPECT_LE(others, 20000u / 10) << "beside its own share, at most as much again";
}

TEST(PickRingHash, OthersStayWhenOneIsUnhealthyOrDrained) {
  World world;
  auto all = candidates(10);
  const Picker picker(Balance::ring_hash, 0, all);
  all[6].drain = true;
  const Picker drained(Balance::ring_hash, 0, all);
  world.health.set(4, false);
  World well;
  for (uint64_t i = 0; i < 20000; ++i) {
    const uint32_t was = picker.pick(nth_hash(i), well.lane);
    const uint32_t is = picker.pick(nth_hash(i), world.lane);
    if (was == 4) {
      EXPECT_NE(is, 4u);
    }
    if (was != 4) {
      EXPECT_EQ(is, was);
    }
    if (was != 6) {
      EXPECT_EQ(drained.pick(nth_hash(i), well.lane), was);
    }
  }
}

// ---- round robin

std::vector<uint32_t> turns(const Picker& picker, World& world, unsigned n) {
  std::vector<uint32_t> picked;
  for (unsigned i = 0; i < n; ++i) picked.push_back(picker.pick(0, world.lane));
  return picked;
}

TEST(PickRoundRobin, InTurn) {
  World world;
  const Picker picker(Balance::round_robin, 2, candidates(4));
  const auto picked = turns(picker, world, 8);
  for (unsigned i = 0; i < 8; ++i) EXPECT_EQ(picked[i], (picked[0] + i) % 4);
}

TEST(PickRoundRobin, ServicesTakeTheirOwnTurns) {
  World world;
  const Picker a(Balance::round_robin, 0, candidates(3));
  const Picker b(Balance::round_robin, 1, candidates(3));
  const uint32_t first = a.pick(0, world.lane);
  EXPECT_EQ(b.pick(0, world.lane), first);
  EXPECT_NE(a.pick(0, world.lane), first);
}

TEST(PickRoundRobin, WeightsAreInterleaved) {
  World world;
  auto all = candidates(3);
  all[0].weight = 500;
  all[1].weight = 100;
  all[2].weight = 100;
  const Picker picker(Balance::round_robin, 0, all);
  const auto picked = turns(picker, world, 70);
  EXPECT_EQ(std::count(picked.begin(), picked.end(), 0u), 50);
  EXPECT_EQ(std::count(picked.begin(), picked.end(), 1u), 10);
  for (size_t i = 0; i + 5 <= picked.size(); ++i) {
    EXPECT_LT(std::count(picked.begin() + static_cast<long>(i), picked.begin() + static_cast<long>(i) + 5, 0u), 5) << i;
  }
}

TEST(PickRoundRobin, FineWeightsAreRounded) {
  World world;
  auto all = candidates(2);
  all[0].weight = 65521;
  all[1].weight = 32749;
  const Picker picker(Balance::round_robin, 0, all);
  const auto picked = turns(picker, world, 30000);
  EXPECT_NEAR(static_cast<double>(std::count(picked.begin(), picked.end(), 0u)), 30000 * 65521.0 / 98270, 60);
}

TEST(PickRoundRobin, HeirsOfTheUnhealthyTakeEqualShares) {
  World world;
  const Picker picker(Balance::round_robin, 0, candidates(4));
  world.health.set(1, false);
  const auto picked = turns(picker, world, 300);
  for (const uint32_t i : {0u, 2u, 3u}) EXPECT_EQ(std::count(picked.begin(), picked.end(), i), 100);
}

// ---- least request

TEST(PickLeastRequest, TheOneWithTheFewestFlows) {
  World world;
  for (uint32_t i = 0; i < 5; ++i) world.open_flows[i] = 10;
  world.open_flows[3] = 9;
  const Picker picker(Balance::least_request, 0, candidates(5));
  for (uint64_t i = 0; i < 100; ++i) ASSERT_EQ(picker.pick(nth_hash(i), world.lane), 3u);
}

TEST(PickLeastRequest, EqualsShare) {
  World world;
  const Picker picker(Balance::least_request, 0, candidates(4));
  std::map<uint32_t, unsigned> seen;
  for (uint64_t i = 0; i < 4000; ++i) ++seen[picker.pick(nth_hash(i), world.lane)];
  for (uint32_t i = 0; i < 4; ++i) EXPECT_NEAR(seen[i], 1000, 150);
}

TEST(PickLeastRequest, FlowsSettleByWeight) {
  World world;
  auto all = candidates(3);
  all[0].weight = 2;
  const Picker picker(Balance::least_request, 0, all);
  for (uint64_t i = 0; i < 400; ++i) ++world.open_flows[picker.pick(nth_hash(i), world.lane)];
  EXPECT_NEAR(world.open_flows[0], 200, 2);
  EXPECT_NEAR(world.open_flows[1], 100, 2);
}

TEST(PickLeastRequest, TwoChoicesKeepManyLevel) {
  World world;
  const Picker picker(Balance::least_request, 0, candidates(1000));
  for (uint64_t i = 0; i < 100000; ++i) ++world.open_flows[picker.pick(nth_hash(i), world.lane)];
  const auto most = *std::max_element(world.open_flows.begin(), world.open_flows.begin() + 1000);
  EXPECT_LE(most, 105u);  // 1000 at random would give about 135
}

}  // namespace
}  // namespace flatproxy
