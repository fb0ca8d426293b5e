#include "conntrack/denied_flows.h"

#include <gtest/gtest.h>

#include <vector>

namespace flatproxy {
namespace {

class DeniedFlowsTest : public testing::Test, protected DeniedFlows::Listener {
 protected:
  void flow_denied(const FlowRecord& flow) override { begun.push_back(flow); }
  void denied_flow_over(const FlowRecord& flow) override { over.push_back(flow); }

  static FlowRecord refused(uint16_t source_port, Reason reason = Reason::policy_denied) {
    FlowRecord flow;
    flow.original = {*wire::Address::parse("10.0.0.1"), *wire::Address::parse("10.0.0.2"), source_port, 80, 6, 4};
    flow.reason = reason;
    flow.packets[kOriginal] = 1;
    flow.bytes[kOriginal] = 40;
    return flow;
  }

  std::vector<FlowRecord> begun;
  std::vector<FlowRecord> over;
  DeniedFlows flows_{hash_key(1), *this};
};

TEST_F(DeniedFlowsTest, TellsAFlowOnceAndCountsItsPackets) {
  for (uint32_t now = 100; now < 110; ++now) flows_.add(refused(1), now);
  EXPECT_EQ(begun.size(), 1u);
  EXPECT_TRUE(over.empty());
  flows_.expire(1'000'000, DeniedFlows::kSets, 0);
  ASSERT_EQ(over.size(), 1u);
  EXPECT_EQ(over[0].packets[kOriginal], 10u);
  EXPECT_EQ(over[0].bytes[kOriginal], 400u);
  EXPECT_EQ(over[0].opened_at, 100u);
  EXPECT_EQ(over[0].last_seen, 109u);
}

TEST_F(DeniedFlowsTest, AnotherReasonOrPortIsAnotherFlow) {
  flows_.add(refused(1), 0);
  flows_.add(refused(1, Reason::spoofed_source), 0);
  FlowRecord elsewhere = refused(1);
  elsewhere.ingress = 3;
  flows_.add(elsewhere, 0);
  EXPECT_EQ(begun.size(), 3u);
}

TEST_F(DeniedFlowsTest, EndsWhatWasQuietAndThenTellsItAnew) {
  flows_.add(refused(1), 1000);
  flows_.add(refused(2), 20'000);
  flows_.expire(1000 + DeniedFlows::kIdle - 1, DeniedFlows::kSets);
  EXPECT_TRUE(over.empty());
  flows_.expire(1000 + DeniedFlows::kIdle, DeniedFlows::kSets / 2);
  flows_.expire(1000 + DeniedFlows::kIdle, DeniedFlows::kSets / 2);
  ASSERT_EQ(over.size(), 1u);
  EXPECT_EQ(over[0].original.source_port, 1);
  flows_.add(refused(1), 40'000);
  EXPECT_EQ(begun.size(), 3u);
}

TEST_F(DeniedFlowsTest, WhereManyAreRefusedTheQuietestGoes) {
  constexpr uint32_t kFlows = 4 * DeniedFlows::kSets * DeniedFlows::kWays;
  for (uint32_t i = 0; i < kFlows; ++i) {
    flows_.add(refused(static_cast<uint16_t>(i)), i);
    flows_.add(refused(9), i);
  }
  EXPECT_EQ(begun.size(), over.size() + DeniedFlows::kSets * DeniedFlows::kWays);
  for (const FlowRecord& flow : over) ASSERT_NE(flow.original.source_port, 9) << "it was never quiet";
  flows_.expire(1'000'000, DeniedFlows::kSets, 0);
  EXPECT_EQ(begun.size(), over.size());
}

}  // namespace
}  // namespace flatproxy
