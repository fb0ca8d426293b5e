// The parts of the TCP that have an invariant of their own, each against something simpler.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "support/stack_pair.h"
#include "tcp/flight.h"
#include "tcp/reassembly.h"
#include "tcp/send_queue.h"
#include "tcp/siphash.h"
#include "tcp/timer_wheel.h"

namespace flatproxy::tcp {
namespace {

using test::Dice;

// The timing wheel, against a sorted map.

struct WheelTest : ::testing::Test {
  struct Nodes {
    std::vector<WheelNode>* nodes;
    WheelNode& operator()(uint32_t index) const { return (*nodes)[index]; }
  };
  std::vector<WheelNode> nodes{std::vector<WheelNode>(300)};
  TimerWheel<Nodes> wheel{Nodes{&nodes}};
};

TEST_F(WheelTest, FiresNothingEarlyAndNothingLate) {
  Dice dice(3);
  Nanoseconds now = 123'456'789'000;
  wheel.start(now);
  std::map<uint32_t, Nanoseconds> due;
  uint32_t fired = 0;
  for (int step = 0; step < 200'000; ++step) {
    const uint32_t index = dice.below(300);
    if (dice.below(3) == 0) {
      wheel.clear(index);
      due.erase(index);
    } else {
      // From within a tick to hours ahead, every level.
      const Nanoseconds ahead = dice.next() % (Nanoseconds{1} << (16 + dice.below(30)));
      wheel.set(index, now + ahead);
      due[index] = now + ahead;
    }
    if (dice.below(4) == 0) {
      now += dice.next() % (Nanoseconds{1} << (10 + dice.below(28)));
      wheel.advance(now, [&](uint32_t which) {
        ++fired;
        ASSERT_TRUE(due.contains(which));
        EXPECT_LE(due[which], now);
        due.erase(which);
      });
      for (const auto& [which, when] : due) ASSERT_GT(when + 2 * TimerWheel<Nodes>::kTick, now) << which;
    }
    if (due.empty()) {
      EXPECT_EQ(wheel.next(), kNever);
    } else if (step % 16 == 0) {
      Nanoseconds first = kNever;
      for (const auto& [which, when] : due) first = std::min(first, when);
      EXPECT_LE(wheel.next(), std::max(first, now) + 2 * TimerWheel<Nodes>::kTick);
    }
  }
  EXPECT_GT(fired, 10'000u);
}

TEST_F(WheelTest, WithSlackWhatIsFarAheadFiresTogetherAndWhatIsNearInTime) {
  constexpr Nanoseconds kTick = TimerWheel<Nodes>::kTick;
  TimerWheel<Nodes> lax{Nodes{&nodes}, 3};
  const Nanoseconds start = 1'000'000 * kTick;
  lax.start(start);
  std::map<uint32_t, Nanoseconds> fired;
  for (uint32_t i = 0; i < 300; ++i) lax.set(i, start + (i + 1) * kTick);
  EXPECT_TRUE(lax.fires_by(99, start + 100 * kTick)) << "as early as it is to be";
  std::set<Nanoseconds> wakings;
  for (Nanoseconds now = start; fired.size() < 300; now = std::max(now + 1, lax.next())) {
    lax.advance(now, [&](uint32_t index) {
      fired[index] = now - start;
      wakings.insert(now);
    });
  }
  for (const auto& [index, after] : fired) {
    const Nanoseconds time = (index + 1) * kTick;
    EXPECT_GE(after, time) << index;
    EXPECT_LE(after, time + std::min(time / 8, 16 * kTick)) << index;
  }
  EXPECT_LT(wakings.size(), 60u) << "of 300 items, one each millisecond";
}

TEST_F(WheelTest, AnItemMayBeSetAgainAsItFires) {
  wheel.start(0);
  wheel.set(1, 5'000'000);
  int fired = 0;
  for (Nanoseconds now = 0; now <= 100'000'000; now += 1'000'000) {
    wheel.advance(now, [&](uint32_t index) {
      ++fired;
      wheel.set(index, now + 10'000'000);
    });
  }
  EXPECT_EQ(fired, 10);
}

// Reassembly, against bytes and who brought them first.

struct ReassemblyTest : ::testing::Test {
  Buffers buffers{4096, 64, 4096};
  ByteQueue data(uint32_t n, uint8_t mark) {
    ByteQueue queue;
    const std::vector<uint8_t> bytes(n, mark);
    queue.copy_in(bytes.data(), n, buffers);
    return queue;
  }
  void TearDown() override {
    EXPECT_EQ(buffers.small.in_use(), 0u);
    EXPECT_EQ(buffers.loans.in_use(), 0u);
  }
};

TEST_F(ReassemblyTest, KeepsTheFirstCopyOfEachByte) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Dice dice(seed);
    const Sequence base = static_cast<Sequence>(dice.next());  // also near the end of the numbers
    constexpr uint32_t kSpan = 4000;
    std::vector<int> model(kSpan, -1);
    Reassembly ahead;
    uint32_t expected = 0;
    ByteQueue delivered;
    for (int i = 0; i < 60 && expected < kSpan; ++i) {
      const uint32_t begin = expected + dice.below(kSpan - expected);
      const uint32_t n = 1 + dice.below(std::min(600u, kSpan - begin));
      const auto mark = static_cast<uint8_t>(i + 1);
      uint32_t fresh = 0;
      for (uint32_t at = begin; at < begin + n && at < kSpan; ++at) {
        if (model[at] >= 0) continue;
        model[at] = mark;
        ++fresh;
      }
      EXPECT_EQ(ahead.insert(base + begin, data(std::min(n, kSpan - begin), mark), buffers), fresh);
      if (dice.below(8) == 0) {
        const Sequence next = ahead.deliver(base + expected, delivered);
        expected = next - base;
      }
    }
    expected = ahead.deliver(base + expected, delivered) - base;
    std::vector<uint8_t> got(kSpan);
    const uint32_t n = delivered.copy_out(got.data(), kSpan);
    EXPECT_EQ(n, expected);
    for (uint32_t at = 0; at < n; ++at) ASSERT_EQ(int(got[at]), model[at]) << "seed " << seed << " at " << at;
    // What is left is reported truly.
    wire::SackBlock blocks[4];
    const uint8_t count = ahead.report(blocks, 4);
    for (uint8_t b = 0; b < count; ++b) {
      for (Sequence at = blocks[b].begin; at != blocks[b].end; ++at) EXPECT_GE(model[at - base], 0);
    }
    EXPECT_EQ(count > 0, !ahead.empty());
  }
}

TEST_F(ReassemblyTest, HasABoundOfRuns) {
  Reassembly ahead;
  for (uint32_t i = 0; i < Reassembly::kMaxRuns + 100; ++i) ahead.insert(1000 + 2 * i, data(1, 1), buffers);
  EXPECT_EQ(ahead.runs(), Reassembly::kMaxRuns);
  EXPECT_GT(ahead.held(), 0u);
  ahead.shed(ahead.held() / 2);
  EXPECT_LE(ahead.runs(), Reassembly::kMaxRuns / 2);
}

// What was cut off a piece shows its memory: bytes that are added to it go elsewhere.
TEST_F(ReassemblyTest, WhatIsAddedToAPartLeavesTheRestAsItIs) {
  ByteQueue rest = data(100, 1);
  ByteQueue front = rest.cut_front(40, buffers);
  const std::vector<uint8_t> more(50, 2);
  EXPECT_EQ(front.copy_in(more.data(), 50, buffers), 50u);
  front.absorb(data(10, 3), buffers);
  std::vector<uint8_t> got(60);
  ASSERT_EQ(rest.copy_out(got.data(), 100), 60u);
  EXPECT_EQ(got, std::vector<uint8_t>(60, 1));
  got.assign(100, 0);
  ASSERT_EQ(front.copy_out(got.data(), 100), 100u);
  EXPECT_EQ(std::vector<uint8_t>(got.begin() + 40, got.begin() + 90), more);
}

// A queue against a string of bytes, with parts of it cut off and kept: what is done to one leaves the others.
TEST_F(ReassemblyTest, BytesAreAddedAndTakenAtBothEnds) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Dice dice(seed);
    ByteQueue queues[3];
    std::vector<uint8_t> models[3];
    for (int i = 0; i < 200; ++i) {
      const uint32_t which = dice.below(3);
      ByteQueue& queue = queues[which];
      std::vector<uint8_t>& model = models[which];
      const uint32_t n = 1 + dice.below(dice.below(2) == 0 ? 20 : 900);
      const std::vector<uint8_t> bytes(n, static_cast<uint8_t>(i));
      const uint32_t taken = std::min(n, queue.bytes());
      switch (dice.below(5)) {
        case 0:
          std::ranges::copy(bytes, queue.extend(n, buffers));
          model.insert(model.end(), bytes.begin(), bytes.end());
          break;
        case 1:
          std::ranges::copy(bytes, queue.prepend(n, buffers));
          model.insert(model.begin(), bytes.begin(), bytes.end());
          break;
        case 2: {
          std::vector<uint8_t> got(taken);
          queue.take_back(got.data(), taken);
          EXPECT_EQ(got, std::vector<uint8_t>(model.end() - taken, model.end()));
          model.erase(model.end() - taken, model.end());
          break;
        }
        case 3:
          queue.drop_front(taken);
          model.erase(model.begin(), model.begin() + taken);
          break;
        default:
          queues[(which + 1) % 3] = queue.cut_front(taken, buffers);
          models[(which + 1) % 3].assign(model.begin(), model.begin() + taken);
          model.erase(model.begin(), model.begin() + taken);
      }
      for (uint32_t q = 0; q < 3; ++q) {
        std::vector<uint8_t> got(queues[q].bytes());
        queues[q].peek(got.data(), queues[q].bytes());
        ASSERT_EQ(got, models[q]) << "seed " << seed;
      }
    }
  }
}

TEST_F(ReassemblyTest, AnEmptyPoolAddsNothing) {
  Buffers none(0, 0, 0);
  ByteQueue queue;
  EXPECT_EQ(queue.extend(5, none), nullptr);
  EXPECT_EQ(queue.prepend(5, none), nullptr);
  EXPECT_TRUE(queue.empty() && queue.first() == nullptr);
}

// What is in flight, against a set of segments.

struct FlightTest : ::testing::Test {
  static constexpr uint16_t kUnit = 100;
  Flight flight;
  Rack rack;
  Nanoseconds now = 1'000'000'000;
  AckContext context() { return {rack, now, kNever, false, 0}; }
};

TEST_F(FlightTest, CountsWhatIsSackedAndLost) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Dice dice(seed);
    Flight f;
    Rack r;
    const Sequence base = static_cast<Sequence>(dice.next());
    uint32_t next = 0;  // in units
    uint32_t una = 0;
    std::set<uint32_t> arrived;
    std::set<uint32_t> lost;
    for (int step = 0; step < 200; ++step) {
      now += 1'000'000;
      const AckContext reading{r, now, kNever, false, 0};
      Arrivals arrivals;
      switch (dice.below(5)) {
        case 0: {
          const uint32_t units = 1 + dice.below(64);
          f.sent(base + next * kUnit, units * kUnit, false, kUnit, {}, now);
          next += units;
          break;
        }
        case 1: {
          if (next - una < 4) break;
          const uint32_t begin = una + 1 + dice.below(next - una - 1);
          const uint32_t end = begin + 1 + dice.below(next - begin);
          f.acknowledge({base + begin * kUnit, base + std::min(end, next) * kUnit}, reading, arrivals);
          uint32_t fresh = 0;
          for (uint32_t u = begin; u < std::min(end, next); ++u) {
            fresh += arrived.insert(u).second;
            lost.erase(u);
          }
          EXPECT_EQ(arrivals.bytes, fresh * kUnit);
          break;
        }
        case 2: {
          if (next == una) break;
          const uint32_t to = una + 1 + dice.below(next - una);
          f.acknowledge(base + to * kUnit, reading, arrivals);
          for (; una < to; ++una) {
            arrived.erase(una);
            lost.erase(una);
          }
          break;
        }
        case 3: {
          f.lose_first();
          for (uint32_t u = una; u < next; ++u) {
            if (arrived.contains(u)) continue;
            lost.insert(u);
            break;
          }
          break;
        }
        default: {
          Flight::Repeat repeat;
          if (!f.next_lost(repeat)) {
            EXPECT_TRUE(lost.empty());
            break;
          }
          EXPECT_EQ(repeat.begin, base + *lost.begin() * kUnit);
          const uint32_t n = 1 + dice.below(repeat.count);
          f.repeated(repeat, n, now);
          for (uint32_t i = 0; i < n; ++i) EXPECT_EQ(lost.erase((repeat.begin - base) / kUnit + i), 1u);
        }
      }
      ASSERT_EQ(f.sacked(), arrived.size() * kUnit) << "seed " << seed << " step " << step;
      ASSERT_EQ(f.lost(), lost.size() * kUnit) << "seed " << seed << " step " << step;
      ASSERT_EQ(f.empty(), una == next);
    }
  }
}

TEST_F(FlightTest, ASackStormCostsLittle) {
  // A million segments, then a million blocks that cover nearly all of them: stepping over what has arrived takes a
  // moment, walking it takes longer than a run of the tests may.
  constexpr uint32_t kSegments = 1'000'000;
  for (uint32_t i = 0; i < kSegments; ++i) flight.sent(i * kUnit, kUnit, false, kUnit, {}, now);
  Arrivals arrivals;
  for (uint32_t end = 2; end < kSegments; ++end) flight.acknowledge({kUnit, end * kUnit}, context(), arrivals);
  EXPECT_EQ(flight.sacked(), (kSegments - 2) * kUnit);
}

TEST_F(FlightTest, AFinIsPartOfTheLastUnit) {
  flight.sent(1000, 200, true, kUnit, {}, now);
  Arrivals arrivals;
  flight.acknowledge(1200, context(), arrivals);
  EXPECT_EQ(arrivals.bytes, 100u) << "the FIN is not acknowledged, so its segment is not";
  flight.acknowledge(1201, context(), arrivals);
  EXPECT_EQ(arrivals.bytes, 201u);
  EXPECT_TRUE(flight.empty());
}

TEST(SendQueueTest, PlacesStayWhileBytesInFrontAreLetGo) {
  Buffers buffers(64, 8, 64);
  SendQueue queue;
  std::vector<uint8_t> bytes(5000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(queue.copy_in(bytes.data(), 5000, buffers), 5000u);
  queue.advance(3000);
  const Place place = queue.next();
  queue.let_go(2500);
  EXPECT_EQ(queue.bytes(), 2500u);
  EXPECT_EQ(place.piece->data[place.offset], bytes[3000]);
  queue.advance(2000);
  queue.let_go(2500);
  EXPECT_EQ(buffers.small.in_use(), 0u);
  EXPECT_EQ(queue.copy_in(bytes.data(), 10, buffers), 10u);
  EXPECT_EQ(queue.next().piece->data[queue.next().offset], bytes[0]);
  queue.clear();
  EXPECT_EQ(buffers.small.in_use(), 0u);
}

TEST(LoanTest, TheLenderLivesAsLongAsItsLoans) {
  Buffers buffers(8, 8, 8);
  Segment* lender = buffers.small.allocate();
  lender->length = 100;
  Segment* loan = buffers.loans.borrow(lender, lender->data + 10, 20);
  Segment* second = buffers.loans.borrow(loan, loan->data, 5);
  drop(lender);
  EXPECT_EQ(buffers.small.in_use(), 1u);
  drop(loan);
  EXPECT_EQ(buffers.small.in_use(), 1u);
  second->away = true;  // as if another thread had had it
  drop(second);
  buffers.loans.collect();
  EXPECT_EQ(buffers.small.in_use(), 0u);
  EXPECT_EQ(buffers.loans.in_use(), 0u);
}

// The first values of the reference implementation's table (key 00 01 .. 0f, input 00 01 ...).
TEST(SipHashTest, GivesTheReferenceValues) {
  const SipKey key{{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};
  uint8_t input[64];
  for (uint8_t i = 0; i < 64; ++i) input[i] = i;
  EXPECT_EQ(siphash(input, 0, key), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(siphash(input, 1, key), 0x74f839c593dc67fdu);
  EXPECT_EQ(siphash(input, 15, key), 0xa129ca6149be45e5u);
}

}  // namespace
}  // namespace flatproxy::tcp
