// Two stacks, a link that loses, doubles, reorders and corrupts, a virtual clock: what is sent arrives, exactly, or the
// connection ends with a reason; nothing is left behind.
#include <gtest/gtest.h>

#include <map>

#include "support/simple_tcp.h"
#include "support/stack_pair.h"

namespace flatproxy::test {
namespace {

using tcp::Connection;

/// Both sides send a stream that a seed determines, and check the other's.
class Streams {
 public:
  Streams(StackPair& pair, uint32_t bytes) : pair_(pair), bytes_(bytes) {}

  void happen(int side, Connection& c, uint8_t events) {
    End& end = ends_[side];
    if (events & tcp::kEnded) {
      end.ended = true;
      end.why = c.end;
      end.connection = nullptr;
      return pair_.side(side).stack.close(c);
    }
    end.connection = &c;
    read(side, c);
    write(side, c);
  }
  bool done() const { return ends_[0].ended && ends_[1].ended; }
  bool complete() const { return ends_[0].received == bytes_ && ends_[1].received == bytes_; }
  bool intact() const { return intact_; }
  tcp::End why(int side) const { return ends_[side].why; }
  uint32_t received(int side) const { return ends_[side].received; }

 private:
  static uint8_t byte_at(int from, uint32_t at) { return static_cast<uint8_t>((at * 31 + at / 251 + from * 7) & 0xff); }

  void read(int side, Connection& c) {
    End& end = ends_[side];
    uint8_t buffer[4096];
    while (const uint32_t n = c.received.copy_out(buffer, sizeof(buffer))) {
      for (uint32_t i = 0; i < n; ++i) intact_ &= buffer[i] == byte_at(1 - side, end.received + i);
      end.received += n;
    }
    pair_.side(side).stack.taken(c);
  }
  void write(int side, Connection& c) {
    End& end = ends_[side];
    tcp::Stack& stack = pair_.side(side).stack;
    while (end.sent < bytes_ && stack.may_send(c)) {
      uint8_t buffer[1500];
      const uint32_t n = std::min<uint32_t>(bytes_ - end.sent, 1 + pair_.dice().below(sizeof(buffer)));
      for (uint32_t i = 0; i < n; ++i) buffer[i] = byte_at(side, end.sent + i);
      const uint32_t took = stack.send(c, buffer, n);
      end.sent += took;
      if (took < n) break;
    }
    if (end.sent == bytes_) stack.shut_down(c);
  }

  struct End {
    Connection* connection = nullptr;
    uint32_t sent = 0;
    uint32_t received = 0;
    bool ended = false;
    tcp::End why = tcp::End::none;
  };
  StackPair& pair_;
  uint32_t bytes_;
  End ends_[2];
  bool intact_ = true;
};

void expect_nothing_left(StackPair& pair) {
  for (int i = 0; i < 2; ++i) {
    Buffers& buffers = pair.side(i).buffers;
    EXPECT_EQ(pair.side(i).stack.connections(), 0u) << "side " << i;
    EXPECT_EQ(buffers.small.in_use(), 0u) << "side " << i;
    EXPECT_EQ(buffers.large.in_use(), 0u) << "side " << i;
    EXPECT_EQ(buffers.loans.in_use(), 0u) << "side " << i;
  }
}

// One run: both streams arrive, or the connection ends with a reason that the faults explain.
void exchange(uint64_t seed, uint32_t bytes, const LinkFaults& faults, const tcp::Settings& settings = {}) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  StackPair pair(settings, settings, faults, seed);
  Streams streams(pair, bytes);
  ASSERT_NE(pair.connect(), nullptr);
  const bool ended = pair.run(
      4'000'000'000'000, [&] { return streams.done(); },
      [&](int side, Connection& c, uint8_t events) { streams.happen(side, c, events); });
  EXPECT_TRUE(ended) << "received " << streams.received(0) << " and " << streams.received(1);
  EXPECT_TRUE(streams.intact());
  EXPECT_TRUE(streams.complete()) << "ended " << int(streams.why(0)) << " and " << int(streams.why(1)) << " after "
                                  << streams.received(0) << " and " << streams.received(1);
  pair.run(
      1'000'000'000'000, [] { return false; }, [](int, Connection&, uint8_t) {});
  expect_nothing_left(pair);
}

/// Faults and settings of a seed: any mixture.
LinkFaults any_faults(Dice& dice) {
  LinkFaults faults;
  faults.loss = dice.below(500);
  faults.duplication = dice.below(300);
  faults.corruption = dice.below(100);
  faults.reordering = dice.below(2000);
  faults.delay = 100'000 + dice.next() % 50'000'000;
  faults.jitter = dice.below(4) == 0 ? faults.delay / 4 : 0;
  return faults;
}
tcp::Settings any_settings(Dice& dice) {
  tcp::Settings settings;
  settings.timestamps = dice.below(4) != 0;
  settings.sack = dice.below(4) != 0;
  settings.window_scaling = dice.below(4) != 0;
  settings.tail_loss_probe = dice.below(4) != 0;
  settings.ecn = dice.below(2) != 0 ? tcp::Ecn::request : tcp::Ecn::off;
  settings.congestion = dice.below(2) != 0 ? &tcp::cubic() : &tcp::new_reno();
  return settings;
}

TEST(TcpSimulation, StreamsCrossAGoodLink) { exchange(1, 3'000'000, {}); }

TEST(TcpSimulation, StreamsCrossABadLink) {
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    Dice dice(seed);
    const LinkFaults faults = any_faults(dice);
    const tcp::Settings settings = any_settings(dice);
    exchange(seed, 1 + dice.below(300'000), faults, settings);
    if (HasFailure()) return;
  }
}

// A stack and a TCP that shares no code with it.
void exchange_with_reference(uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Dice dice(seed);
  const LinkFaults faults = any_faults(dice);
  FaultyLink link(faults, dice);
  const bool reference_opens = dice.below(2) != 0;
  const uint32_t bytes = 1 + dice.below(20'000);
  Nanoseconds now = 1'000'000'000;
  StackHost host(0, link, any_settings(dice), seed, now);
  bool intact = true;
  uint32_t got = 0;
  uint32_t sent = 0;
  bool ended = false;
  const auto byte_at = [](uint32_t at) { return static_cast<uint8_t>(at * 37 >> 2); };
  const auto address = [](const char* text) { return *wire::Address::parse(text); };
  const SimpleTcp::Ends ends{address("10.0.0.2"), address("10.0.0.1"),
                             static_cast<uint16_t>(reference_opens ? 5000 : 80),
                             static_cast<uint16_t>(reference_opens ? 80 : 0)};
  SimpleTcp reference(ends, bytes,
                      {.byte_at = byte_at,
                       .take = [&](uint32_t at, uint8_t byte) { intact &= byte == byte_at(at + 5); },
                       .send = [&](std::vector<uint8_t> frame) { link.send(0, std::move(frame), now); }});
  if (!reference_opens) host.connect(4000);
  const auto on_ready = [&](int, Connection& c, uint8_t events) {
    if ((events & tcp::kEnded) != 0) {
      EXPECT_EQ(c.end, tcp::End::closed);
      ended = true;
      return host.stack.close(c);
    }
    uint8_t buffer[700];
    while (const uint32_t n = c.received.copy_out(buffer, sizeof(buffer))) {
      for (uint32_t i = 0; i < n; ++i) intact &= buffer[i] == byte_at(got++);
    }
    host.stack.taken(c);
    while (sent < bytes) {
      for (uint32_t i = 0; i < sizeof(buffer); ++i) buffer[i] = byte_at(sent + i + 5);
      sent += host.stack.send(c, buffer, std::min<uint32_t>(sizeof(buffer), bytes - sent));
    }
    host.stack.shut_down(c);
  };
  while (now < 4'000'000'000'000 && !(ended && reference.done())) {
    host.step(now, on_ready);
    std::vector<uint8_t> frame;
    while (link.take(1, now, frame)) reference.arrives(frame, now);
    reference.step(now);
    const Nanoseconds next = std::min({host.stack.next_deadline(), reference.deadline(), link.next()});
    if (next == kNever) break;
    now = std::max(now, next);
  }
  EXPECT_TRUE(ended);
  EXPECT_FALSE(reference.was_reset());
  EXPECT_TRUE(intact);
  EXPECT_EQ(got, bytes);
  EXPECT_EQ(reference.received(), bytes);
}

TEST(TcpSimulation, StreamsCrossABadLinkToAnotherTcp) {
  for (uint64_t seed = 1; seed <= 500 && !testing::Test::HasFailure(); ++seed) exchange_with_reference(seed);
}

TEST(TcpSimulation, OneSeedRunsTheSameWayTwice) {
  LinkFaults faults{.loss = 200, .duplication = 100, .reordering = 500, .jitter = 1'000'000};
  uint64_t packets[2];
  Nanoseconds end[2];
  for (int i = 0; i < 2; ++i) {
    StackPair pair({}, {}, faults, 42);
    Streams streams(pair, 100'000);
    pair.connect();
    pair.run(
        1'000'000'000'000, [&] { return streams.done(); },
        [&](int side, Connection& c, uint8_t events) { streams.happen(side, c, events); });
    packets[i] = pair.packets();
    end[i] = pair.now();
  }
  EXPECT_EQ(packets[0], packets[1]);
  EXPECT_EQ(end[0], end[1]);
}

TEST(TcpSimulation, ALinkThatDiesEndsTheConnection) {
  StackPair pair({}, {}, {}, 7);
  Streams streams(pair, 10'000'000);
  pair.connect();
  const auto happen = [&](int side, Connection& c, uint8_t events) { streams.happen(side, c, events); };
  pair.run(
      100'000'000, [] { return false; }, happen);
  pair.faults.loss = 10'000;
  EXPECT_TRUE(pair.run(
      4'000'000'000'000, [&] { return streams.done(); }, happen));
  EXPECT_EQ(streams.why(0), tcp::End::timeout);
  EXPECT_EQ(streams.why(1), tcp::End::timeout);
  expect_nothing_left(pair);
}

}  // namespace
}  // namespace flatproxy::test
