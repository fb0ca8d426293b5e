// What takes more than one connection, or more than a script can say.
#include <gtest/gtest.h>

#include <functional>

#include "support/stack_pair.h"
#include "tcp/syn_cookie.h"

namespace flatproxy::test {
namespace {

using tcp::Connection;
using tcp::State;

/// A pair whose connections are collected as they open; side 1 listens.
struct StackTest : ::testing::Test {
  void make(const tcp::Settings& settings = {}, const LinkFaults& faults = {}) {
    pair = std::make_unique<StackPair>(settings, settings, faults, 1);
  }
  void run(Nanoseconds time) {
    const Nanoseconds end = pair->now() + time;
    pair->run(
        time, [] { return false; }, [this](int side, Connection& c, uint8_t events) { happen(side, c, events); });
    pair->pass_to(end);
  }
  void happen(int side, Connection& c, uint8_t events) {
    if ((events & tcp::kOpened) != 0) open[side].push_back(&c);
    if ((events & tcp::kEnded) != 0) {
      ends.push_back(c.end);
      std::erase(open[side], &c);
      pair->side(side).stack.close(c);
    }
  }
  tcp::Stack& stack(int side) { return pair->side(side).stack; }
  /// Side 0 sends as much as its stack takes; returns how much that was.
  uint32_t send_all_it_takes(Connection& from) {
    const std::vector<uint8_t> bytes(100'000, 1);
    uint32_t sent = 0;
    while (stack(0).may_send(from)) sent += stack(0).send(from, bytes.data(), 100'000);
    stack(0).flush();
    return sent;
  }
  /// Side 1 reads what is there.
  uint32_t read_all(Connection& to) {
    const uint32_t read = to.received.bytes();
    to.received.clear();
    stack(1).taken(to);
    stack(1).flush();
    return read;
  }

  std::unique_ptr<StackPair> pair;
  std::vector<Connection*> open[2];
  std::vector<tcp::End> ends;
};

constexpr Nanoseconds kSecond = 1'000'000'000;

TEST_F(StackTest, AnIdleConnectionFits512Bytes) {
  EXPECT_LE(sizeof(Connection) + FlowIndex::kIndexBytesPerFlow, 512u);
  make();
  pair->connect();
  run(kSecond);
  ASSERT_EQ(open[0].size(), 1u);
  Connection& c = *open[0][0];
  const std::vector<uint8_t> bytes(50'000);
  stack(0).send(c, bytes.data(), 50'000);
  run(5 * kSecond);
  open[1].at(0)->received.clear();
  run(5 * kSecond);
  // What it needed for data on their way is elsewhere again.
  EXPECT_EQ(c.flight, nullptr);
  EXPECT_EQ(c.ahead, nullptr);
  EXPECT_EQ(c.to_send.held(), 0u);
}

TEST_F(StackTest, AFullBacklogAnswersWithCookiesThatOpenConnections) {
  make();
  pair->side(1).listener = stack(1).listen(1);
  // A half-open one fills the backlog: the SYN and ACK that answers it is lost.
  pair->connect(30'000);
  pair->faults.loss = 10'000;
  run(kSecond / 50);
  pair->faults.loss = 0;
  for (uint16_t i = 0; i < 20; ++i) pair->connect(static_cast<uint16_t>(40'000 + i));
  run(kSecond / 2);
  EXPECT_EQ(open[0].size(), 20u);
  EXPECT_EQ(open[1].size(), 20u);
  EXPECT_GE(stack(1).counters().cookies_taken.read(), 19u);
  // With timestamps a cookie remembers the options.
  for (Connection* c : open[1]) {
    EXPECT_TRUE(c->has(tcp::kSackOk));
    EXPECT_TRUE(c->has(tcp::kScalingOk));
    EXPECT_EQ(c->send_shift, 8);
    EXPECT_EQ(c->mss, 1460 - 12);
  }
  const std::vector<uint8_t> bytes(100'000, 7);
  stack(0).send(*open[0][3], bytes.data(), 100'000);
  run(kSecond);
  uint32_t received = 0;
  for (Connection* c : open[1]) received += c->received.bytes();
  EXPECT_GE(received, 63'000u);
  EXPECT_LE(received, 65'535u) << "what the window lets in";
}

TEST_F(StackTest, AnOldOrForgedCookieOpensNothing) {
  make();
  const tcp::Secrets secrets{hash_key(9), {{1, 2}}, {{3, 4}}, {{5, 6}}};
  tcp::Arrival syn;
  syn.tuple = {*wire::Address::parse("10.0.0.1"), *wire::Address::parse("10.0.0.2"), 1000, 80, 6, 4};
  syn.sequence = 77;
  syn.flags = wire::kSyn;
  syn.options.mss = 1460;
  const Nanoseconds now = 1000 * kSecond;
  tcp::Arrival ack;
  ack.tuple = syn.tuple;
  ack.sequence = 78;
  ack.flags = wire::kAck;
  ack.acknowledgment = tcp::make_cookie(syn, now, secrets) + 1;
  EXPECT_EQ(tcp::read_cookie(ack, now, secrets)->mss, 1460);
  EXPECT_TRUE(tcp::read_cookie(ack, now + 100 * kSecond, secrets));
  EXPECT_FALSE(tcp::read_cookie(ack, now + 300 * kSecond, secrets));
  tcp::Arrival other = {};
  other.tuple = ack.tuple;
  other.sequence = 79;
  other.acknowledgment = ack.acknowledgment;
  EXPECT_FALSE(tcp::read_cookie(other, now, secrets));
  uint32_t opened = 0;
  for (uint32_t guess = 0; guess < 100'000; ++guess) {
    other.sequence = 78;
    other.acknowledgment = ack.acknowledgment + 1 + guess * 7919;
    opened += tcp::read_cookie(other, now, secrets).has_value();
  }
  EXPECT_EQ(opened, 0u);
}

TEST_F(StackTest, ATimeWaitGivesWayToANewConnection) {
  make();
  pair->connect();
  run(kSecond);
  Connection* first = open[0].at(0);
  const tcp::Sequence last = first->next;
  // Side 1 closes first and waits; side 0 then opens the same tuple again (RFC 6191).
  stack(1).close(*open[1].at(0));
  open[1].clear();
  run(kSecond);
  stack(0).close(*first);
  open[0].clear();
  run(kSecond);
  EXPECT_EQ(stack(0).connections(), 0u);
  EXPECT_EQ(stack(1).connections(), 1u) << "in TIME-WAIT";
  ASSERT_NE(pair->connect(), nullptr);
  run(kSecond);
  ASSERT_EQ(open[1].size(), 1u);
  EXPECT_EQ(open[1][0]->state, State::established);
  EXPECT_TRUE(after(open[0].at(0)->iss, last));
}

TEST_F(StackTest, AFullTableGivesUpItsOldestTimeWait) {
  make();
  for (uint32_t i = 0; i < 6000; ++i) {
    Connection* c = pair->connect(static_cast<uint16_t>(1024 + i));
    ASSERT_NE(c, nullptr) << i;
    run(kSecond / 20);
    ASSERT_FALSE(open[0].empty()) << i;
    stack(0).close(*open[0].back());
    open[0].clear();
    run(kSecond / 20);
    stack(1).close(*open[1].back());
    open[1].clear();
    run(kSecond / 1000);
  }
  EXPECT_LE(stack(0).connections(), 4096u);
  run(200 * kSecond);
  EXPECT_EQ(stack(0).connections(), 0u);
  EXPECT_EQ(stack(1).connections(), 0u);
}

TEST_F(StackTest, KeepalivesFindOutThatTheOtherSideIsGone) {
  tcp::Settings settings;
  settings.keepalive_after = 10 * kSecond;
  settings.keepalive_interval = kSecond;
  settings.keepalive_probes = 3;
  make(settings);
  pair->connect();
  run(100 * kSecond);
  EXPECT_EQ(open[0].size(), 1u) << "answered, it lives on";
  pair->faults.loss = 10'000;
  run(100 * kSecond);
  EXPECT_TRUE(open[0].empty());
  ASSERT_FALSE(ends.empty());
  EXPECT_EQ(ends[0], tcp::End::timeout);
}

TEST_F(StackTest, ABlackHoleForLargePacketsIsFoundAndPassed) {
  make();
  pair->connect();
  run(kSecond);
  pair->faults.largest = 1300;  // bytes; what is larger vanishes, and nobody says so
  const std::vector<uint8_t> bytes(30'000, 1);
  stack(0).send(*open[0].at(0), bytes.data(), 30'000);
  run(60 * kSecond);
  EXPECT_EQ(open[1].at(0)->received.bytes(), 30'000u);
  EXPECT_LE(open[0].at(0)->mss, 1240u);
}

TEST_F(StackTest, ASlowReaderHoldsAFastSenderBack) {
  make();
  pair->connect();
  run(kSecond);
  Connection& from = *open[0].at(0);
  uint32_t sent = 0;
  for (int i = 0; i < 200; ++i) {
    sent += send_all_it_takes(from);
    run(kSecond / 10);
  }
  EXPECT_LE(open[1].at(0)->received.bytes(), 65'535u) << "nothing was read, so the window has not grown";
  EXPECT_LE(from.to_send.held(), 4u << 20 | 1 << 19);
  // Then it reads, and the rest comes.
  uint64_t read = 0;
  for (int i = 0; i < 400 && read < sent; ++i) {
    read += read_all(*open[1].at(0));
    run(kSecond / 10);
  }
  EXPECT_EQ(read, sent);
}

TEST_F(StackTest, AReaderThatTakesMuchAtOnceAndSeldomIsNoFastOne) {
  make();
  pair->connect();
  run(kSecond);
  uint64_t read = 0;
  for (int i = 0; i < 100; ++i) {
    send_all_it_takes(*open[0].at(0));
    run(kSecond);
    read += read_all(*open[1].at(0));
  }
  EXPECT_GT(read, 5'000'000u);
  EXPECT_LE(open[1].at(0)->receive_limit, 65'535u) << "a round trip takes 20 ms, what it takes comes once a second";
}

TEST_F(StackTest, WindowsLeaveMemoryForOthers) {
  tcp::Settings settings;
  settings.max_receive_buffer = 64 << 20;
  make(settings, {.delay = 20'000'000});
  pair->connect();
  run(kSecond);
  Connection& from = *open[0].at(0);
  Connection& to = *open[1].at(0);
  const auto read_for = [&](int milliseconds) {
    for (int i = 0; i < milliseconds; ++i) {
      send_all_it_takes(from);
      run(1'000'000);
      read_all(to);
    }
  };
  read_for(4000);
  EXPECT_GT(to.receive_limit, 1u << 20);
  const Buffers& buffers = pair->side(1).buffers;
  EXPECT_LE(to.receive_limit, uint64_t{buffers.small.segments()} * buffers.small.capacity() / 4);
  // It stops to read: all that it has offered comes, and none of it has to be refused.
  send_all_it_takes(from);
  run(10 * kSecond);
  EXPECT_GT(to.received.bytes(), 1u << 20);
  EXPECT_EQ(stack(1).counters().memory_refused.read(), 0u);
}

TEST_F(StackTest, ManySmallSegmentsHoldLittleMemory) {
  tcp::Settings settings;
  make(settings);
  for (uint16_t i = 0; i < 100; ++i) pair->connect(static_cast<uint16_t>(10'000 + i));
  run(kSecond);
  ASSERT_EQ(open[0].size(), 100u);
  const std::vector<uint8_t> bytes(100, 1);
  for (int i = 0; i < 20; ++i) {
    for (Connection* c : open[0]) {
      c->set(tcp::kNoDelay);
      stack(0).send(*c, bytes.data(), 100);
    }
    run(kSecond / 10);
  }
  // 2,000 bytes of each lie in one buffer of 2 KB, where twenty of them came.
  for (Connection* c : open[1]) {
    EXPECT_EQ(c->received.bytes(), 2000u);
    EXPECT_LE(c->received.held(), 2 * (Buffers::kSmallCapacity + sizeof(Segment)));
  }
}

TEST_F(StackTest, TheTailOfManySegmentsIsAcknowledgedAtOnceWhereItsOwnerAsksForIt) {
  for (const bool asks : {false, true}) {
    open[0].clear();
    open[1].clear();
    make({}, {.delay = 1'000'000});
    pair->connect();
    run(kSecond);
    Connection& from = *open[0].at(0);
    Connection& to = *open[1].at(0);
    to.quick_acks = 0;
    if (asks) to.set(tcp::kAckTails);
    const std::vector<uint8_t> bytes(2 * from.mss, 1);
    const auto is_acknowledged_soon = [&](uint32_t n) {
      run(0);  // both know what time it is
      stack(0).send(from, bytes.data(), n);
      stack(0).flush();
      run(kSecond / 100);
      return from.in_flight() == 0;
    };
    EXPECT_TRUE(is_acknowledged_soon(2 * from.mss)) << "every second segment";
    EXPECT_EQ(is_acknowledged_soon(100), asks);
    run(kSecond);
    // What is answered is not the tail of anything: the acknowledgment may ride on the answer.
    run(0);
    stack(1).send(to, bytes.data(), 1);
    stack(1).flush();
    run(kSecond);
    EXPECT_FALSE(is_acknowledged_soon(100));
  }
}

/// How long side 1 takes to acknowledge what side 0 sends or does first of all, over a link of 10 us.
class FirstAcknowledgment : public StackTest {
 protected:
  Nanoseconds after(bool answers_soon, const std::function<void(Connection&)>& act) {
    open[0].clear();
    open[1].clear();
    make({}, {.delay = 10'000});
    pair->connect();
    run(kSecond / 10);
    if (answers_soon) open[1].at(0)->set(tcp::kAnswersSoon);
    Connection& from = *open[0].at(0);
    run(0);
    act(from);
    stack(0).flush();
    const Nanoseconds start = pair->now();
    while (from.in_flight() != 0 && pair->now() < start + kSecond) run(kMillisecond);
    return pair->now() - start;
  }
  static constexpr Nanoseconds kMillisecond = 1'000'000;
};

TEST_F(FirstAcknowledgment, WaitsAMomentForAnOwnerThatAnswersSoon) {
  const std::vector<uint8_t> bytes(20'000, 1);
  const auto small = [&](Connection& c) { stack(0).send(c, bytes.data(), 100); };
  EXPECT_LE(after(false, small), kMillisecond);
  EXPECT_GE(after(true, small), 5 * kMillisecond);
  EXPECT_LE(after(true, small), 7 * kMillisecond);
  const auto fin = [&](Connection& c) { stack(0).shut_down(c); };
  EXPECT_LE(after(false, fin), kMillisecond);
  EXPECT_GE(after(true, fin), 5 * kMillisecond);
  EXPECT_LE(after(true, fin), 7 * kMillisecond);
}

TEST_F(FirstAcknowledgment, OfAFullSegmentOrOfSeveralDoesNotWait) {
  const std::vector<uint8_t> bytes(20'000, 1);
  for (const uint32_t segments : {1u, 2u, 3u, 5u, 10u}) {
    EXPECT_LE(after(true, [&](Connection& c) { stack(0).send(c, bytes.data(), segments * c.mss); }), kMillisecond);
  }
}

TEST_F(StackTest, AFrameHoldsAsManySegmentsAsLinuxPutsIntoOne) {
  // Else each large frame that is relayed leaves as a large and a small one.
  for (const uint32_t mss : {1448u, 1460u, 1428u, 1440u}) {
    const uint32_t segments = tcp::Settings{}.max_frame / mss;
    EXPECT_EQ(segments, 65535 / mss - (65535 % mss < 92 ? 1 : 0)) << mss;
    EXPECT_LE(segments * mss + 60 + 20, 65535u) << "of an IP packet";
    EXPECT_LE(segments, tcp::SentFrame::kMaxUnits);
  }
}

TEST_F(StackTest, ALargeWindowIsSpreadOverTheRoundTrip) {
  // 40 ms of round trip, nothing is lost, and the reader reads: the window grows far beyond 64 segments.
  make({}, {.delay = 20'000'000});
  pair->connect();
  run(kSecond);
  Connection& from = *open[0].at(0);
  const std::vector<uint8_t> bytes(100'000, 1);
  uint64_t most_at_once = 0;
  uint64_t read = 0;
  for (int i = 0; i < 4000; ++i) {
    while (stack(0).may_send(from)) stack(0).send(from, bytes.data(), 100'000);
    const uint64_t before = pair->packets();
    stack(0).flush();
    most_at_once = std::max(most_at_once, pair->packets() - before);
    run(1'000'000);
    Connection& to = *open[1].at(0);
    read += to.received.bytes();
    to.received.clear();
    stack(1).taken(to);
    stack(1).flush();
  }
  EXPECT_GT(from.congestion.size, 1'000'000u);
  EXPECT_GT(read, 50'000'000u) << "in four seconds";
  EXPECT_LT(most_at_once * 1448, from.congestion.size / 4);
}

TEST_F(StackTest, ScarceBuffersSlowConnectionsDownAndStopNone) {
  make();
  constexpr uint16_t kConnections = 200;
  constexpr uint32_t kBytes = 100'000;
  for (uint16_t i = 0; i < kConnections; ++i) pair->connect(static_cast<uint16_t>(10'000 + i));
  run(kSecond);
  ASSERT_EQ(open[1].size(), kConnections);
  // Nobody reads: what their windows let in is more than there are buffers.
  const std::vector<uint8_t> bytes(4000, 1);
  std::vector<uint32_t> sent(kConnections);
  std::vector<uint32_t> got(kConnections);
  const auto send_some = [&] {
    for (uint16_t i = 0; i < kConnections; ++i) {
      Connection& c = *open[0][i];
      while (sent[i] < kBytes && stack(0).may_send(c)) {
        const uint32_t n = stack(0).send(c, bytes.data(), std::min(4000u, kBytes - sent[i]));
        sent[i] += n;
        if (n == 0) break;
      }
    }
    stack(0).flush();
    run(kSecond / 10);
  };
  for (int i = 0; i < 50; ++i) send_some();
  EXPECT_LT(pair->side(1).buffers.small.in_use(), pair->side(1).buffers.small.segments());
  uint64_t all = 0;
  for (int round = 0; round < 3000 && all < uint64_t{kBytes} * kConnections; ++round) {
    for (uint16_t i = 0; i < kConnections; ++i) {
      Connection& c = *open[1][i];
      got[i] += c.received.bytes();
      all += c.received.bytes();
      c.received.clear();
      stack(1).taken(c);
    }
    stack(1).flush();
    send_some();
  }
  EXPECT_EQ(all, uint64_t{kBytes} * kConnections);
}

TEST_F(StackTest, TwoThatDisagreeDoNotAnswerEachOtherForEver) {
  make();
  pair->connect();
  run(kSecond);
  const uint64_t before = pair->packets();
  // Each side's numbers are made to lie outside of the other's window.
  open[0].at(0)->next += 1'000'000;
  open[0].at(0)->una += 1'000'000;
  open[1].at(0)->next += 1'000'000;
  open[1].at(0)->una += 1'000'000;
  open[0].at(0)->set(tcp::kAckNow);
  stack(0).poke(*open[0].at(0));
  stack(0).flush();
  run(10 * kSecond);
  EXPECT_LT(pair->packets() - before, 250u) << "ten a second and side";
}

}  // namespace
}  // namespace flatproxy::test
