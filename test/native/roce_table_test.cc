#include "conntrack/roce_table.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "support/roce.h"

namespace flatproxy {
namespace {

namespace opcode = test::roce_opcode;

RoceKey key(uint32_t qp, const char* from = "10.0.0.1", const char* to = "10.0.0.2") {
  return {*wire::Address::parse(from), *wire::Address::parse(to), qp, 4};
}

RocePacket packet(uint8_t op, uint32_t psn, bool nak = false) { return {wire::kRoceOpcodes[op], psn, nak, 100}; }

class RoceTableTest : public testing::Test {
 protected:
  FlowId open(const RoceKey& k, uint32_t now = 0) { return table.open(k, roce_hash(k, kSecret), now); }
  FlowId find(const RoceKey& k) const { return table.find(k, roce_hash(k, kSecret), kNoFlow); }

  static constexpr HashKey kSecret = hash_key(3);
  RoceTable table{64, kSecret};
};

TEST_F(RoceTableTest, SourceDestinationAndQueuePairMakeAFlow) {
  const FlowId id = open(key(17));
  EXPECT_EQ(find(key(17)), id);
  EXPECT_EQ(find(key(18)), kNoFlow);
  EXPECT_EQ(find(key(17, "10.0.0.2", "10.0.0.1")), kNoFlow) << "each way is a flow of its own";
  EXPECT_EQ(find({*wire::Address::parse("fd00::1"), *wire::Address::parse("fd00::2"), 17, 6}), kNoFlow);
  table.close(id);
  EXPECT_EQ(find(key(17)), kNoFlow);
  EXPECT_EQ(table.size(), 0u);
}

TEST_F(RoceTableTest, CountsByClass) {
  const FlowId id = open(key(1));
  table.count(id, packet(opcode::kSendOnly, 1), 5);
  table.count(id, packet(opcode::kWriteOnly, 2), 6);
  table.count(id, packet(opcode::kWriteOnly, 3), 7);
  table.count(id, packet(opcode::kAck, 900, true), 8);
  table.count(id, packet(opcode::kCnp, 0), 9);
  const RoceCounts& counts = table.counts(id);
  const auto of = [&](wire::RoceClass kind) { return counts.classes[static_cast<size_t>(kind)]; };
  EXPECT_EQ(of(wire::RoceClass::send).packets, 1u);
  EXPECT_EQ(of(wire::RoceClass::write).packets, 2u);
  EXPECT_EQ(of(wire::RoceClass::write).bytes, 200u);
  EXPECT_EQ(of(wire::RoceClass::ack).packets, 1u);
  EXPECT_EQ(of(wire::RoceClass::cnp).packets, 1u);
  EXPECT_EQ(of(wire::RoceClass::other).packets, 0u);
  EXPECT_EQ(counts.naks, 1u);
  EXPECT_EQ(counts.retransmitted, 0u);
  EXPECT_EQ(table.at(id).last_seen, 9u);
}

TEST_F(RoceTableTest, NumbersThatWereSentBeforeAreRetransmissions) {
  const FlowId id = open(key(1));
  for (const uint32_t psn : {0xfffffeu, 0xffffffu, 0u, 1u}) EXPECT_FALSE(table.count(id, packet(0x0a, psn), 0)) << psn;
  for (const uint32_t psn : {0xffffffu, 0u, 1u}) EXPECT_TRUE(table.count(id, packet(0x0a, psn), 0)) << psn;
  EXPECT_FALSE(table.count(id, packet(0x0a, 2), 0));
  EXPECT_FALSE(table.count(id, packet(0x0a, 9), 0)) << "a gap is a loss on the way to here";
  EXPECT_EQ(table.counts(id).retransmitted, 3u);
}

TEST_F(RoceTableTest, ResponsesHaveTheNumbersOfTheOtherSide) {
  const FlowId id = open(key(1));
  EXPECT_FALSE(table.count(id, packet(opcode::kWriteOnly, 5000), 0));
  EXPECT_FALSE(table.count(id, packet(opcode::kReadResponseOnly, 70), 0));
  EXPECT_FALSE(table.count(id, packet(opcode::kWriteOnly, 5001), 0));
  EXPECT_TRUE(table.count(id, packet(opcode::kReadResponseOnly, 70), 0));
  EXPECT_FALSE(table.count(id, packet(opcode::kAck, 1), 0)) << "acknowledges repeat numbers";
  EXPECT_FALSE(table.count(id, packet(0x24, 1), 0)) << "an unreliable connection sends nothing again";
}

TEST_F(RoceTableTest, AQueuePairThatBeginsAnewDoesNotRepeat) {
  const FlowId id = open(key(1));
  EXPECT_FALSE(table.count(id, packet(opcode::kSendOnly, 0x400000), 0));
  EXPECT_FALSE(table.count(id, packet(opcode::kSendOnly, 0x100000), 0));
  EXPECT_FALSE(table.count(id, packet(opcode::kSendOnly, 0x100001), 0));
  EXPECT_TRUE(table.count(id, packet(opcode::kSendOnly, 0x100000), 0));
}

TEST_F(RoceTableTest, WhatIsQuietIsOver) {
  open(key(1), 1000);
  const FlowId second = open(key(2), 2000);
  uint32_t budget = 10;
  EXPECT_EQ(table.take_idle(1000 + RoceTable::kIdle - 1, budget), kNoFlow);
  budget = 10;
  const FlowId over = table.take_idle(1000 + RoceTable::kIdle, budget);
  EXPECT_EQ(over, find(key(1)));
  table.close(over);
  EXPECT_EQ(table.take_idle(1000 + RoceTable::kIdle, budget), kNoFlow);
  EXPECT_EQ(find(key(2)), second);
}

TEST_F(RoceTableTest, WhenFullTheQuietestOfSomeMakesRoom) {
  for (uint32_t qp = 0; qp < 64; ++qp) ASSERT_NE(open(key(qp), 100 + qp), kNoFlow);
  EXPECT_EQ(open(key(99), 200), kNoFlow);
  const FlowId quiet = table.victim(roce_hash(key(99), kSecret), 200);
  EXPECT_EQ(quiet, find(key(0)));
  table.close(quiet);
  EXPECT_NE(open(key(99), 200), kNoFlow);
  EXPECT_EQ(table.size(), 64u);
}

/// Against a map: random opens and closes.
TEST_F(RoceTableTest, AgreesWithAMap) {
  std::map<uint32_t, FlowId> known;
  uint64_t state = 1;
  for (int i = 0; i < 20'000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto qp = static_cast<uint32_t>(state >> 40) % 100;
    const auto found = known.find(qp);
    ASSERT_EQ(find(key(qp)), found == known.end() ? kNoFlow : found->second);
    if (found != known.end()) {
      table.close(found->second);
      known.erase(found);
    } else if (const FlowId id = open(key(qp)); id != kNoFlow) {
      known[qp] = id;
    } else {
      ASSERT_EQ(known.size(), table.capacity());
    }
    ASSERT_EQ(table.size(), known.size());
  }
}

}  // namespace
}  // namespace flatproxy
