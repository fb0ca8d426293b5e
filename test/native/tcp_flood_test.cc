// Floods of segments from anywhere, as fast as they come, at a listener and at what is open: connections go on, new
// ones open within a second, and every segment is counted.
#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>

#include "support/listener_world.h"

namespace flatproxy::test {
namespace {

constexpr int kPerMillisecond = 100, kMilliseconds = 1000, kFlood = kPerMillisecond * kMilliseconds;

struct TcpFlood : ListenerWorld {
  TcpFlood() {
    make();
    established = open();
    served = server->open.at(0);
  }
  /// A host of the client's network that takes no part otherwise.
  std::string somebody() { return "10.0.0." + std::to_string(3 + random() % 250); }
  uint32_t word() { return static_cast<uint32_t>(random()); }
  uint16_t number() { return static_cast<uint16_t>(random()); }
  Frame from_anywhere() { return Frame().from(somebody(), number()).to("10.8.8.8", 9000); }
  /// As if it came from the client's open connection.
  Frame forged() { return Frame().from("10.0.0.2", established->tuple.source_port).to("10.8.8.8", 9000); }

  /// A second of it, during which the open connection carries messages and a new one is opened.
  void flood(const std::function<Frame()>& frame) {
    tcp::Connection* late = nullptr;
    std::string said, heard;
    for (int i = 0; i < kMilliseconds; ++i) {
      for (int k = 0; k < kPerMillisecond; ++k)
        world->inject(0, frame().macs(peer_mac(0), own_mac(0)).build(world->buffers()));
      if (i == kMilliseconds / 2) late = client->connect("10.8.8.8", 9000, next_port++);
      if (i % 10 == 0) {
        const std::string message = "message " + std::to_string(i) + ";";
        client->send(*established, message);
        client->stack().flush();
        said += message;
      }
      world->run(kMillisecond);
      client->step();
      server->step();
      heard += server->read(*served);
    }
    run();
    heard += server->read(*served);
    EXPECT_EQ(heard, said);
    EXPECT_EQ(late->state, tcp::State::established);
    EXPECT_EQ(server->open.size(), 2u) << "the new one reached its endpoint";
    EXPECT_TRUE(client->ends.empty());
  }
  void expect_that_all_ends() {
    for (tcp::Connection* c : std::vector(client->open)) client->abort(*c);
    expect_nothing_left();
  }
  const tcp::Counters& tcp() { return world->lane(0).tcp().stack().counters(); }

  std::mt19937 random{7};
  tcp::Connection* established;
  tcp::Connection* served;
};

TEST_F(TcpFlood, OfSyns) {
  flood([this] { return from_anywhere().tcp("S", word()); });
  // Those beyond the backlog, or a quarter of the table, take no memory.
  EXPECT_GT(tcp().cookies_sent.read(), kFlood * 9u / 10);
  EXPECT_GE(tcp().cookies_taken.read(), 1u);
  EXPECT_LE(world->lane(0).tcp().stack().connections(), 4096u / 4 + 8);
  EXPECT_GE(world->count(Reason::tcp_terminated), uint64_t{kFlood});
  expect_that_all_ends();
}

TEST_F(TcpFlood, OfSynsToEveryPort) {
  uint16_t port = 9001;
  flood([&] {
    if (++port == 9000) ++port;
    return Frame().from(somebody(), number()).to("10.8.8.8", port).tcp("S");
  });
  EXPECT_EQ(world->count(Reason::no_service), uint64_t{kFlood});
  EXPECT_EQ(world->flows(), 0u);
  EXPECT_LE(world->lane(0).tcp().stack().connections(), 4u);
  expect_that_all_ends();
}

TEST_F(TcpFlood, OfAcknowledgments) {
  flood([this] { return from_anywhere().tcp("A", word(), word()); });
  EXPECT_EQ(world->count(Reason::tcp_no_connection), uint64_t{kFlood});
  EXPECT_LT(world->count(Reason::originated), uint64_t{kFlood} / 10) << "resets are not sent at any rate";
  EXPECT_EQ(tcp().cookies_taken.read(), 0u);
  expect_that_all_ends();
}

TEST_F(TcpFlood, OfResets) {
  flood([this] { return from_anywhere().tcp("R", word()); });
  EXPECT_EQ(world->count(Reason::tcp_no_connection), uint64_t{kFlood});
  expect_that_all_ends();
}

TEST_F(TcpFlood, OfResetsThatGuessTheSequenceNumber) {
  // RFC 5961 section 3: only the very next number resets; others in the window are challenged, at a bounded rate.
  flood([this] {
    const uint32_t guess = word();
    return forged().tcp("R", guess == established->next ? guess + 1 : guess);
  });
  EXPECT_EQ(tcp().resets_received.read(), 0u);
  EXPECT_LE(tcp().challenges.read(), 20u);
  EXPECT_GE(tcp().out_of_window.read() + tcp().challenges.read() + tcp().challenges_held.read(), uint64_t{kFlood});
  expect_that_all_ends();
}

TEST_F(TcpFlood, OfSynsAndDataThatGuess) {
  // RFC 5961 sections 4 and 5.
  int turn = 0;
  flood([&] {
    if (++turn % 2 == 0) return forged().tcp("S", word());
    return forged().payload("nonsense").tcp("PA", word(), word());
  });
  EXPECT_LE(tcp().challenges.read(), 20u);
  EXPECT_GE(tcp().challenges_held.read() + tcp().out_of_window.read() + tcp().bad_acks.read(), kFlood * 9u / 10);
  expect_that_all_ends();
}

}  // namespace
}  // namespace flatproxy::test
