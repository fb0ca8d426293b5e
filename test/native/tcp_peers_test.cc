// Peers that hold a relayed connection up: windows of a byte, windows that stay shut, silence. The other side is held
// back, memory stays bounded, and in the end everything is given back.
#include <gtest/gtest.h>

#include <string>

#include "support/listener_world.h"

namespace flatproxy::test {
namespace {

struct TcpPeers : ListenerWorld {
  /// As fast as the stack takes it; returns how many bytes it took.
  static uint64_t say_all_it_takes(WorldPeer& peer, tcp::Connection& c) {
    const std::string text(10'000, 'x');
    uint64_t said = 0;
    while (peer.stack().may_send(c)) {
      peer.send(c, text);
      said += text.size();
    }
    peer.stack().flush();
    return said;
  }
  uint32_t held() const {
    Buffers& buffers = world->lane(0).buffers();
    return buffers.small.in_use() + buffers.large.in_use();
  }
};

TEST_F(TcpPeers, AWindowOfOneByteIsFilledByteByByte) {
  make();
  client = std::make_unique<WorldPeer>(*world, 0, "10.0.0.2", 0, 1);
  tcp::Connection* c = open();
  ASSERT_EQ(server->open.size(), 1u);
  std::string sent;
  for (char letter = 'a'; letter <= 'z'; ++letter) sent += letter;
  server->send(*server->open[0], sent);
  std::string heard;
  for (int i = 0; i < 3000 && heard.size() < sent.size(); ++i) {
    run(10 * kMillisecond);
    EXPECT_LE(c->received.bytes(), 1u);
    heard += client->read(*c);
  }
  EXPECT_EQ(heard, sent);
}

TEST_F(TcpPeers, AReaderThatNeverReadsHoldsBackTheSenderAndNothingElse) {
  make();
  tcp::Connection* c = open();
  ASSERT_EQ(server->open.size(), 1u);
  uint64_t said = 0;
  for (int i = 0; i < 300; ++i) {
    said += say_all_it_takes(*server, *server->open[0]);
    run(100 * kMillisecond);
  }
  // Half a minute later: two queues are full, and what the server still holds itself.
  EXPECT_LT(said, 16u << 20);
  const uint32_t shut = held();
  run(30 * kSecond);
  EXPECT_LE(held(), shut);
  // Another connection goes on beside it.
  tcp::Connection* other = open();
  client->send(*other, "beside it");
  run();
  ASSERT_EQ(server->open.size(), 2u);
  EXPECT_EQ(server->read(*server->open[1]), "beside it");
  // Then it reads, and nothing is missing.
  uint64_t read = 0;
  for (int i = 0; i < 2000 && read < said; ++i) {
    read += client->read(*c).size();
    run(10 * kMillisecond);
  }
  EXPECT_EQ(read, said);
}

TEST_F(TcpPeers, ASilentConnectionEndsAfterTheIdleTimeout) {
  make({.listeners = listener_json("10.8.8.8", 9000, "\"idleTimeout\":10000,")});
  open();
  ASSERT_EQ(server->open.size(), 1u);
  run(5 * kSecond);
  EXPECT_TRUE(client->ends.empty());
  run(10 * kSecond);
  EXPECT_EQ(client->ends, std::vector{tcp::End::reset});
  EXPECT_EQ(server->ends, std::vector{tcp::End::reset});
  EXPECT_EQ(counters().idle.read(), 1u);
  expect_nothing_left();
}

TEST_F(TcpPeers, AClientThatVanishesIsGivenUp) {
  make({.listeners = listener_json("10.8.8.8", 9000, "\"idleTimeout\":60000,")});
  open();
  ASSERT_EQ(server->open.size(), 1u);
  say_all_it_takes(*server, *server->open[0]);
  // From here on nothing of the client's is heard: its frames are left where they are.
  for (int i = 0; i < 120'000 && server->ends.empty(); ++i) {
    world->run(10 * kMillisecond);
    server->step();
  }
  EXPECT_EQ(server->ends, std::vector{tcp::End::reset});
  world->take_frames(0);
  EXPECT_TRUE(world->lane(0).tcp().drained());
}

}  // namespace
}  // namespace flatproxy::test
