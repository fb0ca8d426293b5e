#include "lane/rate_limits.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace flatproxy {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;

Policy limit(uint64_t rate, Nanoseconds interval, uint64_t burst, uint32_t counter = 3) {
  Policy policy;
  policy.action = PolicyAction::limit;
  policy.counter = counter;
  policy.limit = {LimitOf::packets, rate, interval, burst};
  return policy;
}

/// Tokens that are given at a time when as many as are there are asked for, `each` at once.
uint64_t drain(RateLimits& limits, const Policy& policy, Nanoseconds now, uint64_t each = 1) {
  constexpr unsigned kMostCalls = 1'000'000;
  unsigned calls = 0;
  while (calls < kMostCalls && limits.take(policy, each, now)) ++calls;
  return calls * each;
}

struct RateLimitsTest : testing::Test {
  SharedBuckets buckets{kMaxPolicies};
  RateLimits alone{1, buckets};
};

TEST_F(RateLimitsTest, ABurstAndThenTheRateExactly) {
  const Policy policy = limit(1000, kSecond, 50);
  EXPECT_EQ(drain(alone, policy, 5 * kSecond), 50u);
  EXPECT_EQ(drain(alone, policy, 5 * kSecond + 999'999), 0u);
  EXPECT_EQ(drain(alone, policy, 5 * kSecond + 1'000'000), 1u);
  EXPECT_EQ(drain(alone, policy, 5 * kSecond + 11'000'000), 10u);
  EXPECT_EQ(drain(alone, policy, 500 * kSecond), 50u) << "no more is kept than a burst";
}

TEST_F(RateLimitsTest, NothingIsLostOrWonByRounding) {
  uint32_t counter = 0;
  for (const uint64_t rate : {3ull, 7ull, 999'999ull, 3'000'000'007ull}) {
    const Policy policy = limit(rate, kSecond, rate, ++counter);
    uint64_t given = drain(alone, policy, kSecond, std::max<uint64_t>(rate / 1000, 1));
    for (Nanoseconds now = kSecond; now <= 3 * kSecond; now += 777'777)
      given += drain(alone, policy, now, std::max<uint64_t>(rate / 1000, 1));
    EXPECT_LE(given, 3 * rate + 1) << rate;
    EXPECT_GE(given, 3 * rate - rate / 500 - 2) << rate;
  }
}

TEST_F(RateLimitsTest, WhatIsLargerThanTheBurstPassesAFullBucket) {
  const Policy policy = limit(1000, kSecond, 100);
  EXPECT_TRUE(alone.take(policy, 1000, 10 * kSecond));
  EXPECT_FALSE(alone.take(policy, 1, 10 * kSecond));
  EXPECT_FALSE(alone.take(policy, 1000, 10 * kSecond + 999'999'999)) << "it is paid for";
  EXPECT_TRUE(alone.take(policy, 1000, 11 * kSecond));
}

TEST_F(RateLimitsTest, WhatIsGivenBackIsThereAgain) {
  const Policy policy = limit(1, kSecond * 3600, 2);
  EXPECT_EQ(drain(alone, policy, kSecond), 2u);
  alone.give_back(policy, 1);
  EXPECT_EQ(drain(alone, policy, kSecond), 1u);
}

TEST_F(RateLimitsTest, TheLargestNumbersDoNotOverflow) {
  const Policy fast = limit(PolicyLimit::kMostTokens, kSecond / 1000, PolicyLimit::kMostTokens, 1);
  EXPECT_TRUE(alone.take(fast, 65'575, kSecond));
  const Policy slow = limit(1, PolicyLimit::kLongestInterval, PolicyLimit::kMostTokens, 2);
  EXPECT_TRUE(alone.take(slow, 65'575, kSecond));
  EXPECT_TRUE(alone.take(slow, 65'575, kSecond));
  const Policy none = limit(1, PolicyLimit::kLongestInterval, 1, 4);
  EXPECT_TRUE(alone.take(none, 65'575, kSecond));
  EXPECT_FALSE(alone.take(none, 1, 65'574 * 3600 * kSecond));
}

TEST_F(RateLimitsTest, OtherNumbersBeginWithTheSameBucket) {
  EXPECT_EQ(drain(alone, limit(10, kSecond, 10), kSecond), 10u);
  EXPECT_EQ(drain(alone, limit(1000, kSecond, 1000), kSecond), 0u) << "the time is spent";
  EXPECT_EQ(drain(alone, limit(1000, kSecond, 1000), 3 * kSecond), 1000u);
}

TEST_F(RateLimitsTest, LanesShareABucketAndASixteenthOfItIsInTheirHands) {
  constexpr unsigned kLanes = 4;
  constexpr uint64_t kBurst = 1600;
  const Policy policy = limit(kBurst, kSecond, kBurst);
  std::vector<std::unique_ptr<RateLimits>> lanes;
  for (unsigned i = 0; i < kLanes; ++i) lanes.push_back(std::make_unique<RateLimits>(kLanes, buckets));
  for (auto& lane : lanes) EXPECT_TRUE(lane->take(policy, 1, kSecond));
  const uint64_t first = kLanes + drain(*lanes[0], policy, kSecond);
  EXPECT_LE(first, kBurst);
  EXPECT_GE(first, kBurst - kBurst / 16) << "one lane may have nearly all";
  uint64_t others = 0;
  for (auto& lane : lanes) others += drain(*lane, policy, kSecond);
  EXPECT_LE(first + others, kBurst);
  EXPECT_GT(first + others, kBurst - kLanes) << "and what it cannot have, others can, but for less than a token each";
}

TEST_F(RateLimitsTest, LanesThatDrawAtOnceGetNoMoreThanThereIs) {
  constexpr unsigned kLanes = 4;
  constexpr uint64_t kBurst = 100'000;
  const Policy policy = limit(1, PolicyLimit::kLongestInterval, kBurst);
  std::vector<uint64_t> given(kLanes);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kLanes; ++i) {
    threads.emplace_back([&, i] {
      RateLimits lane(kLanes, buckets);
      given[i] = drain(lane, policy, kSecond);
    });
  }
  for (std::thread& thread : threads) thread.join();
  uint64_t sum = 0;
  for (const uint64_t each : given) sum += each;
  EXPECT_LE(sum, kBurst);
  EXPECT_GE(sum, kBurst - kBurst / 16);
}

}  // namespace
}  // namespace flatproxy
