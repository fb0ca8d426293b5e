// What takes more than one connection, or more than a script can say.
#include "support/stack_test.h"
#include "tcp/syn_cookie.h"

namespace flatproxy::test {
namespace {

using tcp::Connection;
using tcp::State;

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

TEST_F(StackTest, FramesSayWhichBytesMayBeSentAgain) {
  make();
  pair->connect();
  run(kSecond);
  const std::vector<uint8_t> bytes(50'000);
  stack(0).send(*open[0].at(0), bytes.data(), 50'000);
  run(kSecond);
  EXPECT_GT(pair->side(0).loans_sent, 0u);
  EXPECT_EQ(pair->side(0).loans_that_say_so, pair->side(0).loans_sent);
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

TEST_F(StackTest, KeepalivesDoNotEndAConnectionThatHasOnlySaidItsLast) {
  tcp::Settings settings;
  settings.keepalive_after = 10 * kSecond;
  make(settings);
  pair->connect();
  run(kSecond);
  stack(0).shut_down(*open[0].at(0));
  run(100 * kSecond);
  EXPECT_TRUE(ends.empty()) << "the other side has not closed";
  stack(1).shut_down(*open[1].at(0));
  run(100 * kSecond);
  EXPECT_EQ(ends, (std::vector<tcp::End>{tcp::End::closed, tcp::End::closed}));
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
