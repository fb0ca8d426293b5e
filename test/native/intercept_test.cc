// Connections between others that are intercepted as they pass through: the client is behind port a, the server behind
// port b.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/listener_world.h"
#include "wire/ethernet.h"
#include "wire/tcp.h"

namespace flatproxy::test {
namespace {

using tcp::Connection;

struct InterceptTest : ListenerWorld {
  static constexpr uint16_t kPort = 8080;  // what WorldPeers listen on

  /// Two hosts on one link, with the node between them.
  void make_joined(World::Options options = {}, uint16_t vlan = 0, int queue = 0) {
    options.joined = true;
    options.neighbors_answer = false;
    if (options.services == "[]") options.services = service_json({"10.0.0.9"}, "10.9.9.9");
    if (options.listeners == "[]") options.listeners = intercept_json("0.0.0.0/0", kPort);
    world = std::make_unique<World>(options);
    client = std::make_unique<WorldPeer>(*world, 0, "10.0.0.2", queue);
    server = std::make_unique<WorldPeer>(*world, 1, "10.0.0.3", queue);
    client->gateway = peer_mac(1);
    server->gateway = peer_mac(0);
    client->vlan = server->vlan = vlan;
  }
  Connection* open_to(const std::string& address) { return open(kPort, address); }
  void expect_exchange(Connection& c, Connection& s) {
    client->send(c, "question");
    run();
    EXPECT_EQ(server->read(s), "question");
    server->send(s, "answer");
    run();
    EXPECT_EQ(client->read(c), "answer");
  }
  void close_both(Connection& c, Connection& s) {
    client->stack().shut_down(c);
    run();
    server->stack().shut_down(s);
    run();
  }
};

TEST_F(InterceptTest, JoinedPortsPassEverythingOnAsItIs) {
  make_joined();
  const auto passes = [this](unsigned from, std::vector<uint8_t> bytes) {
    Segment* frame = world->buffers().small.allocate();
    append(frame, bytes.data(), static_cast<uint32_t>(bytes.size()), world->buffers());
    world->inject(from, frame);
    world->run();
    const std::vector<Segment*> came = world->take_frames(1 - from);
    ASSERT_EQ(came.size(), 1u);
    EXPECT_EQ(content(came[0]), bytes);
  };
  Frame udp = Frame().from("10.0.0.2", 5000).to("10.0.0.3", 53).udp().payload("who");
  passes(0, udp.bytes());
  passes(1, udp.ttl(1).bytes());
  std::vector<uint8_t> padded = udp.bytes();
  padded.resize(padded.size() + 18, 0xee);
  passes(0, padded);
  passes(0, Frame().from("10.0.0.2", 5000).to("10.0.0.3", 22).tcp("S").bytes());
  passes(0, Frame().from("fe80::1", 5000).to("ff02::fb", 5353).udp().bytes());
  std::vector<uint8_t> odd(60, 0xff);
  passes(1, odd);  // a broadcast from a group, of no EtherType
  odd[6] = 2;
  passes(0, odd);
  passes(0, {1, 2, 3});
  std::vector<uint8_t> arp = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,  0, 1, 0, 0, 8, 6, 0, 1, 8, 0,  6, 4, 0,
                              1,    2,    0,    0,    1,    0,    0, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 3};
  passes(0, arp);
  std::vector<uint8_t> twice_tagged = udp.bytes();
  for (const uint8_t id : {uint8_t{7}, uint8_t{8}}) twice_tagged.insert(twice_tagged.begin() + 12, {0x81, 0, 0, id});
  passes(1, twice_tagged);
  EXPECT_EQ(world->count(Reason::passed_on), 10u);
  EXPECT_EQ(world->lane(0).counters().ports[0].received.packets.read(), 7u);
  EXPECT_EQ(world->take(0).size() + world->take(1).size(), 0u) << "nothing else was said";
}

TEST_F(InterceptTest, BothEndsSeeEachOtherAsIfNobodyStoodBetween) {
  for (const uint16_t vlan : {uint16_t{0}, uint16_t{7}}) {
    make_joined({}, vlan);
    Connection* c = open_to("10.0.0.3");
    ASSERT_EQ(client->open.size(), 1u);
    ASSERT_EQ(server->open.size(), 1u);
    Connection* s = server->open[0];
    EXPECT_EQ(s->tuple.destination.to_string(), "10.0.0.2");
    EXPECT_EQ(s->tuple.destination_port, c->tuple.source_port);
    expect_exchange(*c, *s);
    FlowRecord shown;
    ASSERT_TRUE(world->lane(0).tcp().record(0, shown));
    EXPECT_EQ(shown.nat_address.to_string(), "10.0.0.3");
    EXPECT_EQ(shown.service, FlowRecord::kNone);
    EXPECT_EQ(shown.ingress, 0);
    close_both(*c, *s);
    EXPECT_EQ(counters().relayed.read(), 1u);
    EXPECT_EQ(counters().bytes_up.read(), 8u);
    EXPECT_EQ(client->strays + server->strays, 0u);
    EXPECT_EQ(world->count(Reason::passed_on), 0u);
    expect_nothing_left();
    client.reset();
    server.reset();
  }
}

TEST_F(InterceptTest, TheServerSeesTheClientsTimeToLive) {
  make_joined();
  world->send(0, Frame().from("10.0.0.2", 5000).to("10.0.0.3", kPort).tcp("S", 100).ttl(17));
  std::vector<Segment*> answer = world->take_frames(0);
  ASSERT_EQ(answer.size(), 1u);
  const uint32_t sequence = wire::load32(answer[0]->data + 38);
  world->send(0, Frame().from("10.0.0.2", 5000).to("10.0.0.3", kPort).tcp("A", 101, sequence + 1).ttl(17));
  const std::vector<Segment*> syn = world->take_frames(1);
  ASSERT_EQ(syn.size(), 1u);
  EXPECT_EQ(describe(syn[0]), "10.0.0.2:5000>10.0.0.3:8080 tcp S ttl=17");
  EXPECT_TRUE(checksums_right(syn[0]));
}

TEST_F(InterceptTest, NothingIsTakenThatIsSentInAnothersName) {
  World::Options options;
  options.ports = 3;
  options.workloads = R"([{"id":0,"name":"w","port":2,"addresses":["10.0.2.7"]}])";
  make_joined(options);
  world->send(0, Frame().from("10.0.2.7", 5000).to("10.0.0.3", kPort).tcp("S"));
  EXPECT_EQ(world->count(Reason::spoofed_source), 1u);
  EXPECT_EQ(world->lane(0).tcp().stack().connections(), 0u);
  world->send(0, Frame().from("10.0.2.7", 5000).to("10.0.0.3", 22).tcp("S"));
  EXPECT_EQ(world->take(1).size(), 1u) << "what is for no listener passes between joined ports as it is";

  options.listeners = intercept_json("10.0.0.0/16", kPort);
  options.services = service_json({"10.0.1.2"});
  options.workloads = R"([{"id":0,"name":"w","port":0,"addresses":["10.0.0.2"]}])";
  make(options);
  world->send(2, Frame().from("10.0.0.2", 5000).to("10.0.1.2", kPort).tcp("S"));
  EXPECT_EQ(world->count(Reason::spoofed_source), 1u);
  EXPECT_EQ(world->lane(0).tcp().stack().connections(), 0u);
  Connection* c = open_to("10.0.1.2");
  ASSERT_EQ(server->open.size(), 1u);
  world->send(2, Frame().from("10.0.0.2", c->tuple.source_port).to("10.0.1.2", kPort).tcp("R", c->next));
  EXPECT_EQ(world->count(Reason::spoofed_source), 2u);
  EXPECT_EQ(counters().resets.read(), 0u);
}

TEST_F(InterceptTest, WhatIsOlderThanTheListenerPassesOn) {
  make_joined();
  for (const char* flags : {"A", "PA", "FA", "R"}) {
    world->send(0, Frame().from("10.0.0.2", 5000).to("10.0.0.3", kPort).tcp(flags));
    EXPECT_EQ(world->take(1).size(), 1u) << flags;
    world->send(1, Frame().from("10.0.0.3", kPort).to("10.0.0.2", 5000).tcp(flags));
    EXPECT_EQ(world->take(0).size(), 1u) << flags;
  }
  EXPECT_EQ(world->count(Reason::passed_on), 8u);
}

TEST_F(InterceptTest, WhatComesForOneThatHasEndedDoesNotReachTheOtherSide) {
  make_joined({}, 7);
  Connection* c = open_to("10.0.0.3");
  ASSERT_EQ(server->open.size(), 1u);
  const uint16_t port = c->tuple.source_port;
  close_both(*c, *server->open[0]);
  ASSERT_EQ(world->lane(0).tcp().stack().connections(), 1u) << "the server's side waits";
  const auto late = [&] {
    Frame from = Frame().from("10.0.0.2", port).to("10.0.0.3", kPort).tcp("A", 77, 99);
    Segment* frame = from.macs(peer_mac(0), peer_mac(1)).build(world->buffers());
    tag(frame, 7);
    world->inject(0, frame);
    world->run();
  };
  world->take_frames(0);
  late();
  EXPECT_EQ(world->count(Reason::passed_on), 0u);
  EXPECT_EQ(world->count(Reason::tcp_no_connection), 1u);
  const std::vector<Segment*> answers = world->take_frames(0);
  ASSERT_EQ(answers.size(), 1u);
  const std::vector<uint8_t> reset = content(answers[0]);
  EXPECT_EQ(wire::load_mac(reset.data()), peer_mac(0));
  EXPECT_EQ(wire::load_mac(reset.data() + 6), peer_mac(1));
  EXPECT_EQ(wire::load32(reset.data() + 12), 0x81000007u);
  EXPECT_EQ(reset[18 + 20 + 13], wire::kRst);
  // Later the two are strangers again.
  run(70 * kSecond);
  late();
  EXPECT_EQ(world->count(Reason::passed_on), 1u);
}

TEST_F(InterceptTest, AConnectionOutlivesItsListener) {
  make_joined();
  Connection* c = open_to("10.0.0.3");
  ASSERT_EQ(server->open.size(), 1u);
  world->apply("[]");
  expect_exchange(*c, *server->open[0]);
  close_both(*c, *server->open[0]);
  expect_nothing_left();
  // The next one is the other side's own.
  open_to("10.0.0.3");
  ASSERT_EQ(server->open.size(), 1u);
  EXPECT_EQ(counters().taken.read(), 1u);
  EXPECT_GT(world->count(Reason::passed_on), 2u);
}

TEST_F(InterceptTest, TheLongestPrefixTakesIt) {
  std::string listeners = intercept_json("10.0.0.0/8", kPort);
  std::string longer = intercept_json("10.0.0.0/30", kPort);
  longer.replace(longer.find("\"id\":0"), 6, "\"id\":1");
  listeners = listeners.substr(0, listeners.size() - 1) + "," + longer.substr(1);
  make_joined({.listeners = listeners});
  open_to("10.0.0.3");
  EXPECT_EQ(world->lane(0).counters().listeners[1].relayed.read(), 1u);
  EXPECT_EQ(counters().taken.read(), 0u);
}

TEST_F(InterceptTest, AFloodOfSynsLeavesNoWayBehind) {
  make_joined();
  for (int i = 0; i < 6000; ++i) {
    wire::Mac mac = peer_mac(0);
    mac.bytes[4] = static_cast<uint8_t>(i);
    const std::string address = "10.1." + std::to_string(i >> 8) + "." + std::to_string(i & 255);
    Frame frame = Frame().from(address, 5000).to("10.0.0.3", kPort).tcp("S");
    world->inject(0, frame.macs(mac, peer_mac(1)).build(world->buffers()));
    if (i % 64 == 0) world->run();
  }
  world->run();
  EXPECT_GT(world->lane(0).tcp().stack().counters().cookies_sent.read(), 0u);
  run(130 * kSecond);
  EXPECT_EQ(world->lane(0).tcp().links(), 0u);
  Connection* c = open_to("10.0.0.3");
  ASSERT_EQ(server->open.size(), 1u);
  expect_exchange(*c, *server->open[0]);
  EXPECT_EQ(world->lane(0).tcp().links(), 2u);
}

TEST_F(InterceptTest, MeetsOnOneLaneWhereverItsPacketsCome) {
  make_joined({.lanes = 3}, 0, -1);
  for (int i = 0; i < 30; ++i) open_to("10.0.0.3");
  ASSERT_EQ(client->open.size(), 30u);
  ASSERT_EQ(server->open.size(), 30u);
  for (int i = 0; i < 30; ++i) client->send(*client->open[i], "over there");
  run();
  for (int i = 0; i < 30; ++i) EXPECT_EQ(server->read(*server->open[i]), "over there");
  EXPECT_EQ(client->strays + server->strays, 0u);
}

// A node that routes: addresses of its own on both ports.
TEST_F(InterceptTest, ARouterInterceptsWhatPassesThrough) {
  make({.listeners = intercept_json("10.0.1.0/24", kPort)});
  Connection* c = open_to("10.0.1.2");
  ASSERT_EQ(server->open.size(), 1u);
  EXPECT_EQ(server->open[0]->tuple.destination.to_string(), "10.0.0.2");
  expect_exchange(*c, *server->open[0]);
  close_both(*c, *server->open[0]);
  EXPECT_EQ(counters().relayed.read(), 1u);
  expect_nothing_left();
  // Another port passes.
  world->send(0, Frame().from("10.0.0.2", 5000).to("10.0.1.2", 8081).tcp("S"));
  EXPECT_EQ(world->take(1).size(), 1u);
}

TEST_F(InterceptTest, AServiceMayBeReachedFromTheClientsAddress) {
  for (const unsigned lanes : {1u, 3u}) {
    std::string services = service_json({"10.0.1.2"}, "10.9.9.9");
    services.replace(services.find("\"endpoints\""), 11, "\"source\":\"client\",\"endpoints\"");
    make({.lanes = lanes, .services = services}, lanes == 1 ? 0 : -1);
    for (int i = 0; i < 10; ++i) open();
    ASSERT_EQ(server->open.size(), 10u);
    for (Connection* s : server->open) EXPECT_EQ(s->tuple.destination.to_string(), "10.0.0.2");
    const auto theirs = std::find_if(server->open.begin(), server->open.end(), [&](const Connection* s) {
      return s->tuple.destination_port == client->open[0]->tuple.source_port;
    });
    ASSERT_NE(theirs, server->open.end()) << "the client's port, too, where it is free";
    expect_exchange(*client->open[0], **theirs);
    while (!client->open.empty()) client->abort(*client->open.back());
    client->stack().flush();
    run();
    EXPECT_EQ(server->open.size(), 0u);
    client.reset();
    server.reset();
  }
}

}  // namespace
}  // namespace flatproxy::test
