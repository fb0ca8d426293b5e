#include "l3/neighbor_table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "wire_frames.h"

namespace flatproxy {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr wire::Mac kMac{{2, 0, 0, 0, 0, 7}};
constexpr wire::Mac kOtherMac{{2, 0, 0, 0, 0, 8}};

// Writes down what the table asks for.
struct Recorder : NeighborActions {
  std::vector<std::string> solicited;
  std::vector<Segment*> delivered;
  std::vector<Reason> failed;
  LinkEnd link(uint16_t) const override { return {wire::Mac{{2, 0, 0, 0, 0, 9}}, 1500}; }
  void solicit(const Neighbor& n) override {
    solicited.push_back(n.address.to_string() + (n.state == NeighborState::probe ? " at " + n.mac.to_string() : ""));
  }
  void deliver(Segment* frame, NeighborIndex) override {
    delivered.push_back(frame);
    release(frame);
  }
  void fail(Segment* frame, Reason why) override {
    failed.push_back(why);
    release(frame);
  }
};

class NeighborTableTest : public testing::Test {
 protected:
  static wire::Address host(uint32_t n) {
    uint8_t bytes[4] = {10, 0, 0, 0};
    wire::store32(bytes, 0x0a000000 + n);
    return wire::Address::from_v4(bytes);
  }
  NeighborIndex create(uint32_t n = 1) { return table.find_or_create(3, host(n), now, actions); }
  void learn(const wire::Mac& mac, bool solicited = true, bool override_known = true, bool may_create = false,
             uint32_t n = 1) {
    table.learn(3, {host(n), mac, solicited, override_known, may_create}, now, actions);
  }
  Segment* frame() { return frames.make(std::vector<uint8_t>(60)); }
  // Time passes in ticks, as on a lane.
  void pass(Nanoseconds time) {
    for (const Nanoseconds end = now + time; now < end;) {
      now += kSecond / 10;
      table.tick(now, actions);
    }
  }
  NeighborState state(NeighborIndex index) { return table.at(index).state; }

  test::Frames frames;
  Recorder actions;
  NeighborTable table{HashKey{{1, 2, 3, 4}}};
  Nanoseconds now = 1000 * kSecond;
};

TEST_F(NeighborTableTest, ResolvesAndDeliversInOrder) {
  const NeighborIndex index = create();
  EXPECT_EQ(create(), index);
  EXPECT_EQ(actions.solicited, std::vector<std::string>{"10.0.0.1"});
  Segment* first = frame();
  Segment* second = frame();
  table.queue(index, first, actions);
  table.queue(index, second, actions);
  EXPECT_EQ(table.queued(), 2u);
  learn(kMac);
  EXPECT_EQ(actions.delivered, (std::vector<Segment*>{first, second}));
  EXPECT_EQ(table.at(index).mac, kMac);
  EXPECT_EQ(state(index), NeighborState::reachable);
  EXPECT_EQ(table.queued(), 0u);
  table.queue(index, frame(), actions);
  EXPECT_EQ(actions.delivered.size(), 3u);
}

TEST_F(NeighborTableTest, FailsAfterThreeAttemptsAndForgets) {
  const NeighborIndex index = create();
  table.queue(index, frame(), actions);
  pass(2 * kSecond + kSecond / 2);
  EXPECT_EQ(actions.solicited.size(), 3u);
  EXPECT_TRUE(actions.failed.empty());
  pass(kSecond);
  EXPECT_EQ(actions.failed, std::vector<Reason>{Reason::neighbor_unresolved});
  EXPECT_EQ(state(index), NeighborState::failed);
  table.queue(index, frame(), actions);
  EXPECT_EQ(actions.failed.size(), 2u);
  EXPECT_EQ(create(), index) << "no new question while the failure is remembered";
  const uint32_t epoch = table.epoch();
  pass(4 * kSecond);
  EXPECT_EQ(table.find(3, host(1)), kNoNeighbor);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_NE(table.epoch(), epoch);
  EXPECT_EQ(actions.solicited.size(), 3u);
}

TEST_F(NeighborTableTest, QueueDropsTheOldest) {
  const NeighborIndex index = create();
  std::vector<Segment*> queued;
  for (uint32_t i = 0; i < NeighborTable::kMaxQueuedPerNeighbor + 2; ++i) {
    queued.push_back(frame());
    table.queue(index, queued.back(), actions);
  }
  EXPECT_EQ(actions.failed, std::vector<Reason>(2, Reason::neighbor_queue_full));
  learn(kMac);
  EXPECT_EQ(actions.delivered, std::vector<Segment*>(queued.begin() + 2, queued.end()));
}

TEST_F(NeighborTableTest, QueuesAreBoundedInAll) {
  Segment* shared = frame();
  for (uint32_t i = 0; i <= NeighborTable::kMaxQueued; ++i) {
    ++shared->references;
    table.queue(create(i / 4), shared, actions);
  }
  EXPECT_EQ(table.queued(), NeighborTable::kMaxQueued);
  EXPECT_EQ(actions.failed, std::vector<Reason>{Reason::neighbor_queue_full});
  pass(4 * kSecond);
  EXPECT_EQ(table.queued(), 0u);
  EXPECT_EQ(shared->references, 1u);
  release(shared);
}

TEST_F(NeighborTableTest, InUseItIsProbedByUnicastAndUsableMeanwhile) {
  const NeighborIndex index = create();
  learn(kMac);
  pass(kSecond);
  table.use(index, now);
  actions.solicited.clear();
  pass(29 * kSecond + kSecond / 2);
  EXPECT_EQ(actions.solicited, std::vector<std::string>{"10.0.0.1 at " + kMac.to_string()});
  EXPECT_TRUE(table.at(index).usable());
  learn(kMac);
  EXPECT_EQ(state(index), NeighborState::reachable);
}

TEST_F(NeighborTableTest, DeadNeighbourIsAskedForAnewAndThenFails) {
  const NeighborIndex index = create();
  learn(kMac);
  pass(kSecond);
  table.use(index, now);
  pass(30 * kSecond);
  actions.solicited.clear();
  pass(3 * kSecond);
  EXPECT_EQ(actions.solicited.back(), "10.0.0.1");
  EXPECT_EQ(state(index), NeighborState::incomplete);
  pass(3 * kSecond);
  EXPECT_EQ(state(index), NeighborState::failed);
}

TEST_F(NeighborTableTest, UnusedItTurnsStaleWithoutAQuestionAndGoesInTheEnd) {
  const NeighborIndex index = create();
  learn(kMac);
  actions.solicited.clear();
  pass(31 * kSecond);
  EXPECT_EQ(state(index), NeighborState::stale);
  EXPECT_TRUE(table.at(index).usable());
  pass(NeighborTable::kIdleTime - 2 * kSecond);
  EXPECT_EQ(state(index), NeighborState::stale);
  pass(3 * kSecond);
  EXPECT_EQ(table.find(3, host(1)), kNoNeighbor);
  EXPECT_TRUE(actions.solicited.empty());
}

TEST_F(NeighborTableTest, StaleItIsProbedOnceUsed) {
  learn(kMac, false, true, true);
  const NeighborIndex index = table.find(3, host(1));
  ASSERT_NE(index, kNoNeighbor);
  pass(kSecond);
  EXPECT_TRUE(actions.solicited.empty());
  table.use(index, now + 1);
  pass(kSecond / 10);
  EXPECT_EQ(state(index), NeighborState::probe);
}

TEST_F(NeighborTableTest, LearnsOnlyWhatItMay) {
  learn(kMac, false, true, false);
  EXPECT_EQ(table.size(), 0u);
  learn(wire::Mac{}, true, true, true);
  EXPECT_EQ(table.size(), 0u);
}

// RFC 4861 section 7.2.5 and appendix C.
TEST_F(NeighborTableTest, Override) {
  const NeighborIndex index = create();
  learn(kMac);
  learn(kOtherMac, true, false);
  EXPECT_EQ(table.at(index).mac, kMac);
  EXPECT_EQ(state(index), NeighborState::stale);
  learn(kOtherMac, false, false);
  EXPECT_EQ(table.at(index).mac, kMac);
  learn(kOtherMac, false, true);
  EXPECT_EQ(table.at(index).mac, kOtherMac);
  EXPECT_EQ(state(index), NeighborState::stale);
  learn(wire::Mac{}, true, false);
  EXPECT_EQ(table.at(index).mac, kOtherMac);
  EXPECT_EQ(state(index), NeighborState::reachable);
  learn(kOtherMac, false, true);
  EXPECT_EQ(state(index), NeighborState::reachable) << "nothing new";
}

TEST_F(NeighborTableTest, PortsAreApart) {
  const NeighborIndex index = create();
  table.learn(4, {host(1), kMac, true, true, true}, now, actions);
  EXPECT_EQ(state(index), NeighborState::incomplete);
  EXPECT_EQ(table.size(), 2u);
}

TEST_F(NeighborTableTest, AScanLeavesRoom) {
  for (uint32_t i = 0; i < NeighborTable::kMaxUnresolved; ++i) ASSERT_NE(create(i), kNoNeighbor);
  EXPECT_EQ(create(NeighborTable::kMaxUnresolved), kNoNeighbor);
  learn(kMac, false, true, true, 1'000'000);
  EXPECT_NE(table.find(3, host(1'000'000)), kNoNeighbor);
  pass(20 * kSecond);  // a part of the table in each tick
  EXPECT_EQ(table.size(), 1u);
  EXPECT_NE(create(5), kNoNeighbor);
}

TEST_F(NeighborTableTest, FullTableRefuses) {
  for (uint32_t i = 0; i < NeighborTable::kMaxNeighbors; ++i) learn(kMac, true, true, true, i);
  EXPECT_EQ(table.size(), NeighborTable::kMaxNeighbors);
  learn(kMac, true, true, true, 1'000'000);
  EXPECT_EQ(table.find(3, host(1'000'000)), kNoNeighbor);
  EXPECT_EQ(create(1'000'001), kNoNeighbor);
  for (uint32_t i = 0; i < NeighborTable::kMaxNeighbors; i += 997) EXPECT_EQ(table.at(create(i)).address, host(i));
}

TEST_F(NeighborTableTest, ForgetsAPort) {
  const NeighborIndex index = create();
  table.queue(index, frame(), actions);
  table.learn(4, {host(1), kMac, true, true, true}, now, actions);
  const uint32_t epoch = table.epoch();
  table.forget_port(3, actions);
  EXPECT_EQ(actions.failed, std::vector<Reason>{Reason::port_down});
  EXPECT_EQ(table.find(3, host(1)), kNoNeighbor);
  EXPECT_NE(table.find(4, host(1)), kNoNeighbor);
  EXPECT_NE(table.epoch(), epoch);
}

TEST_F(NeighborTableTest, ReleasesWhatWaits) {
  {
    NeighborTable other{HashKey{{1, 2, 3, 4}}};
    other.queue(other.find_or_create(1, host(1), now, actions), frame(), actions);
  }
  EXPECT_EQ(frames.buffers.small.in_use(), 0u);
}

}  // namespace
}  // namespace flatproxy
