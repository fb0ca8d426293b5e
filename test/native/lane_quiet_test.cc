// How often a lane looks at queues whose receive() is a system call.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "config/plan.h"
#include "lane/lane.h"
#include "support/plans.h"

namespace flatproxy {
namespace {

constexpr Nanoseconds kMicrosecond = 1'000;

/// Counts looks; gives an unusable frame for each one that was asked of it.
class CountedQueue : public PortQueue {
 public:
  void receive(QueueContext& context, Burst& burst) override {
    ++looks;
    if (frames == 0) return;
    --frames;
    burst.push(context.buffers.small.allocate());
  }
  void send(QueueContext&, Burst& burst) override { burst.count = 0; }
  bool receive_is_costly() const override { return true; }
  unsigned looks = 0;
  unsigned frames = 0;
};

class CountedPort : public Port {
 public:
  using Port::Port;
  PortQueue& queue(unsigned) override { return only; }
  CountedQueue only;
};

class QuietQueues : public testing::Test {
 protected:
  QuietQueues() {
    const auto open = [this](uint16_t id, const std::string& name, const std::string&) -> std::shared_ptr<Port> {
      PortInfo info;
      info.id = id;
      info.name = name;
      info.mac = test::own_mac(id);
      ports[id] = std::make_shared<CountedPort>(info);
      return ports[id];
    };
    snapshot = build_snapshot(test::Plan{}.text(1, true), nullptr, open);
    lane.adopt(*snapshot, now);
  }
  CountedQueue& queue(unsigned port) { return ports[port]->only; }
  /// Passes, a microsecond apart, while the first port always has something.
  void run_busy(unsigned passes) {
    for (unsigned i = 0; i < passes; ++i) {
      queue(0).frames = 1;
      lane.iterate(now += kMicrosecond);
    }
  }

  std::shared_ptr<CountedPort> ports[2];
  std::shared_ptr<const Snapshot> snapshot;
  LaneShared shared{1, 1024, hash_key(3), [] { return uint64_t{5}; }};
  Lane lane{0, shared, {1024, 64}};
  Nanoseconds now = 1'000'000'000;
};

TEST_F(QuietQueues, ABusyLaneLooksAtThemNowAndThen) {
  run_busy(1000);
  EXPECT_EQ(queue(0).looks, 1000u);
  EXPECT_GE(queue(1).looks, 20u);  // every 50 us of 1000
  EXPECT_LE(queue(1).looks, 30u);
}

TEST_F(QuietQueues, WhatComesIsFoundWithinTheInterval) {
  run_busy(1000);
  queue(1).frames = 1;
  unsigned passes = 0;
  while (queue(1).frames != 0 && passes++ < 1000) run_busy(1);
  EXPECT_LE(passes, 51u);
  const unsigned looks = queue(1).looks;
  run_busy(3);  // it is quiet no longer
  EXPECT_EQ(queue(1).looks, looks + 3);
}

TEST_F(QuietQueues, AfterASleepTheNextPassLooksEverywhere) {
  run_busy(1000);
  queue(1).frames = 1;
  lane.wake();
  lane.iterate(now += kMicrosecond);
  EXPECT_EQ(queue(1).frames, 0u);
}

}  // namespace
}  // namespace flatproxy
