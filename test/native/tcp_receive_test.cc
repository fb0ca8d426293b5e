// What a connection does with what comes: windows, memory, acknowledgments.
#include <functional>

#include "support/stack_test.h"

namespace flatproxy::test {
namespace {

using tcp::Connection;

struct ReceiveTest : StackTest {};

TEST_F(ReceiveTest, ASlowReaderHoldsAFastSenderBack) {
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

TEST_F(ReceiveTest, AReaderThatTakesMuchAtOnceAndSeldomIsNoFastOne) {
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

TEST_F(ReceiveTest, WindowsLeaveMemoryForOthers) {
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

TEST_F(ReceiveTest, ManySmallSegmentsHoldLittleMemory) {
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

TEST_F(ReceiveTest, TheTailOfManySegmentsIsAcknowledgedAtOnceWhereItsOwnerAsksForIt) {
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

/// How long a side takes to acknowledge what the other sends or does first of all, over a link of 10 us. Side 0 has
/// opened the connection.
class FirstAcknowledgment : public StackTest {
 protected:
  Nanoseconds of_side(int side, bool answers_soon, const std::function<void(tcp::Stack&, Connection&)>& act) {
    open[0].clear();
    open[1].clear();
    make({}, {.delay = 10'000});
    pair->connect();
    run(kSecond / 10);
    if (answers_soon) open[side].at(0)->set(tcp::kAnswersSoon);
    Connection& from = *open[1 - side].at(0);
    run(0);
    act(stack(1 - side), from);
    stack(1 - side).flush();
    const Nanoseconds start = pair->now();
    while (from.in_flight() != 0 && pair->now() < start + kSecond) run(kMillisecond);
    return pair->now() - start;
  }
  static void send_little(tcp::Stack& stack, Connection& c) { send(stack, c, 100); }
  static void shut_down(tcp::Stack& stack, Connection& c) { stack.shut_down(c); }
  static void send(tcp::Stack& stack, Connection& c, uint32_t n) {
    const std::vector<uint8_t> bytes(n, 1);
    stack.send(c, bytes.data(), n);
  }
  static constexpr Nanoseconds kMillisecond = 1'000'000;
};

TEST_F(FirstAcknowledgment, OfAQuestionWaitsAMomentForAnOwnerThatAnswersSoon) {
  EXPECT_LE(of_side(1, false, send_little), kMillisecond);
  EXPECT_GE(of_side(1, true, send_little), 5 * kMillisecond);
  EXPECT_LE(of_side(1, true, send_little), 7 * kMillisecond);
}

TEST_F(FirstAcknowledgment, OfAFinWaitsAMomentForAnOwnerThatAnswersSoon) {
  for (const int side : {0, 1}) {
    EXPECT_LE(of_side(side, false, shut_down), kMillisecond);
    EXPECT_GE(of_side(side, true, shut_down), 5 * kMillisecond);
    EXPECT_LE(of_side(side, true, shut_down), 7 * kMillisecond);
  }
}

TEST_F(FirstAcknowledgment, OfAnAnswerDoesNotWait) {
  EXPECT_LE(of_side(0, true, send_little), kMillisecond) << "the rest may be held back until then";
}

TEST_F(FirstAcknowledgment, OfAFullSegmentOrOfSeveralDoesNotWait) {
  for (const uint32_t segments : {1u, 2u, 3u, 5u, 10u}) {
    const auto send_some = [&](tcp::Stack& stack, Connection& c) { send(stack, c, segments * c.mss); };
    EXPECT_LE(of_side(1, true, send_some), kMillisecond);
  }
}

}  // namespace
}  // namespace flatproxy::test
