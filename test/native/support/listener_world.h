#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "support/world_peer.h"

namespace flatproxy::test {

constexpr Nanoseconds kMillisecond = 1'000'000, kSecond = 1'000 * kMillisecond;

/// A World with a listener: the client is behind port a, the server behind port b.
struct ListenerWorld : ::testing::Test {
  void make(World::Options options = {}, int queue = 0) {
    if (options.services == "[]") options.services = service_json({"10.0.1.2"}, "10.9.9.9");
    if (options.listeners == "[]") options.listeners = listener_json("10.8.8.8", 9000);
    world = std::make_unique<World>(options);
    client = std::make_unique<WorldPeer>(*world, 0, "10.0.0.2", queue);
    server = std::make_unique<WorldPeer>(*world, 1, "10.0.1.2", queue);
  }
  void run(Nanoseconds time = 50 * kMillisecond) {
    for (const Nanoseconds end = world->now() + time; world->now() < end;) {
      world->run(kMillisecond);
      client->step();
      server->step();
    }
    world->run();
  }
  tcp::Connection* open(uint16_t port = 9000, const std::string& address = "10.8.8.8") {
    tcp::Connection* c = client->connect(address, port, next_port++);
    client->stack().flush();
    run();
    return c;
  }
  const RelayCounters& counters(unsigned lane = 0) { return world->lane(lane).counters().listeners[0]; }
  void expect_nothing_left() {
    run(130 * kSecond);
    for (unsigned i = 0; i < world->shared().lanes(); ++i) {
      EXPECT_TRUE(world->lane(i).tcp().drained());
      EXPECT_EQ(world->lane(i).tcp().stack().connections(), 0u);
      EXPECT_EQ(world->lane(i).tcp().links(), 0u);
      Buffers& buffers = world->lane(i).buffers();
      EXPECT_EQ(buffers.loans.in_use(), 0u);
      EXPECT_EQ(buffers.large.in_use(), 0u);
      EXPECT_EQ(buffers.small.in_use(), 0u);
    }
    // Of the frames that came, too: what take_frames() has handed out last is given back by the next call.
    for (const unsigned port : {0u, 1u, 0u, 1u}) world->take_frames(port);
    for (SegmentPool* pool : {&world->buffers().small, &world->buffers().large}) {
      pool->collect();
      EXPECT_EQ(pool->in_use(), 0u);
    }
  }

  std::unique_ptr<World> world;
  std::unique_ptr<WorldPeer> client;
  std::unique_ptr<WorldPeer> server;
  uint16_t next_port = 40'000;
};

}  // namespace flatproxy::test
