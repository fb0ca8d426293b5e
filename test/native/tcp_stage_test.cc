// Connections to a listener, through whole lanes: the client is behind port a, the server behind port b.
#include "lane/tcp_stage.h"

#include <gtest/gtest.h>

#include "support/listener_world.h"

namespace flatproxy::test {
namespace {

using tcp::Connection;
using TcpStageTest = ListenerWorld;

TEST_F(TcpStageTest, RelaysBothWaysAndCountsIt) {
  make();
  Connection* c = open();
  ASSERT_EQ(client->open.size(), 1u);
  ASSERT_EQ(server->open.size(), 1u);
  Connection* s = server->open[0];
  // From our own address there, and a port that the kernel beside us would not take.
  EXPECT_EQ(s->tuple.destination.to_string(), "10.0.1.1");
  EXPECT_TRUE(SourcePorts::holds(s->tuple.destination_port));
  client->send(*c, "question");
  run();
  EXPECT_EQ(server->read(*s), "question");
  server->send(*s, "answer");
  run();
  EXPECT_EQ(client->read(*c), "answer");
  EXPECT_EQ(counters().active.read(), 1u);
  FlowRecord shown;
  EXPECT_EQ(world->lane(0).tcp().record_limit(), 2u);
  EXPECT_FALSE(world->lane(0).tcp().record(1, shown)) << "no client has come with requests";
  ASSERT_TRUE(world->lane(0).tcp().record(0, shown));
  EXPECT_EQ(shown.original.source.to_string(), "10.0.0.2");
  EXPECT_EQ(shown.original.destination_port, 9000);
  EXPECT_EQ(shown.nat_address.to_string(), "10.0.1.2");
  EXPECT_EQ(shown.ingress, 0);
  EXPECT_EQ(shown.state, FlowState::tcp_established);
  EXPECT_EQ(shown.bytes[kOriginal] + shown.bytes[kReply], 14u);
  EXPECT_GT(shown.packets[kOriginal], 5u);
  const ServiceCounter& service = world->lane(0).counters().services[0];
  EXPECT_EQ(service.new_flows.read(), 1u);
  EXPECT_EQ(service.active_flows.read(), 1u);
  EXPECT_GT(service.carried.packets.read(), 4u);
  client->stack().shut_down(*c);
  run();
  EXPECT_TRUE(s->peer_closed());
  server->stack().shut_down(*s);
  run();
  EXPECT_EQ(counters().bytes_up.read(), 8u);
  EXPECT_EQ(counters().bytes_down.read(), 6u);
  EXPECT_EQ(counters().active.read(), 0u);
  EXPECT_EQ(service.active_flows.read(), 0u);
  EXPECT_GT(world->count(Reason::tcp_terminated), 8u);
  // Nothing of it was taken for a flow.
  EXPECT_EQ(world->flows(), 0u);
  expect_nothing_left();
}

/// A workload behind port 0, where the client is, and nobody that is known behind port 2.
World::Options guarded() {
  World::Options options;
  options.ports = 3;
  options.workloads = R"([{"id":0,"name":"client","port":0,"addresses":["10.0.0.2"]}])";
  return options;
}

TEST_F(TcpStageTest, TakesNothingThatIsSentInAnothersName) {
  make(guarded());
  world->send(2, Frame().from("10.0.0.2", 5000).to("10.8.8.8", 9000).tcp("S"));
  world->send(0, Frame().from("192.0.2.1", 5000).to("10.8.8.8", 9000).tcp("S"));
  EXPECT_EQ(world->count(Reason::spoofed_source), 2u);
  EXPECT_EQ(world->lane(0).tcp().stack().connections(), 0u);
  EXPECT_EQ(world->lane(0).counters().ports[0].spoofed.read(), 1u);
  EXPECT_EQ(world->lane(0).counters().ports[2].spoofed.read(), 1u);
  EXPECT_EQ(world->take(2).size() + world->take(0).size(), 0u) << "nobody is answered";

  Connection* c = open();
  ASSERT_EQ(client->open.size(), 1u);
  ASSERT_EQ(server->open.size(), 1u);
  const uint16_t port = c->tuple.source_port;
  world->send(2, Frame().from("10.0.0.2", port).to("10.8.8.8", 9000).tcp("R", c->next));
  world->send(2, Frame().from("192.0.2.1").to("10.0.1.1").echo(true, 7));
  EXPECT_EQ(world->count(Reason::spoofed_source), 3u);
  EXPECT_EQ(world->lane(0).tcp().stack().connections(), 2u);
  EXPECT_EQ(counters().resets.read(), 0u);
}

TEST_F(TcpStageTest, BelievesNoErrorsInAnothersName) {
  World::Options options = guarded();
  options.services = service_json({"10.0.1.99"});  // who does not answer
  make(options);
  world->send(0, Frame().from("10.0.0.2", 5000).to("10.8.8.8", 9000).tcp("S", 100));
  const std::vector<Segment*> answer = world->take_frames(0);
  ASSERT_EQ(answer.size(), 1u);
  const uint32_t sequence = wire::load32(answer[0]->data + 38);
  world->send(0, Frame().from("10.0.0.2", 5000).to("10.8.8.8", 9000).tcp("A", 101, sequence + 1));
  const std::vector<Segment*> syn = world->take_frames(1);
  ASSERT_EQ(syn.size(), 1u);
  const std::vector<uint8_t> bytes = content(syn.back());
  const std::vector<uint8_t> quoted(bytes.begin() + wire::kEthernetSize, bytes.end());
  const Frame error = Frame().from("10.0.0.2").to("10.0.1.1").icmp_error(3, 3, quoted);
  world->send(2, error);
  EXPECT_EQ(world->count(Reason::spoofed_source), 1u);
  EXPECT_EQ(counters().connect_failed.read(), 0u);
  world->send(0, error);
  EXPECT_EQ(world->count(Reason::spoofed_source), 1u);
  EXPECT_EQ(counters().connect_failed.read(), 1u);
}

TEST_F(TcpStageTest, LeavesServicesAndForwardingAlone) {
  make();
  EXPECT_FALSE(world->lane(0).tcp().idle());
  world->send(0, Frame().from("10.0.0.2", 5000).to("10.9.9.9", 80).tcp("S"));
  EXPECT_EQ(world->take(1).size(), 1u);
  world->send(0, Frame().from("10.0.0.2", 5000).to("10.0.1.7", 80).tcp("S"));
  EXPECT_EQ(world->take(1).size(), 1u);
  EXPECT_EQ(world->flows(), 2u);
  // Another port of a listener's address is nobody's.
  world->send(0, Frame().from("10.0.0.2", 5000).to("10.8.8.8", 9001).tcp("S"));
  EXPECT_EQ(world->count(Reason::no_service), 1u);
  EXPECT_EQ(world->take(0).size(), 1u);
}

TEST_F(TcpStageTest, DoesNotJudgeWhatIsForAnotherStackAtItsAddress) {
  make();
  // To the node's own address, a port of the range that connections to endpoints come from, checksum wrong.
  Segment* frame = Frame()
                       .from("10.0.0.2", 5000)
                       .to("10.0.0.1", 8080)
                       .tcp("S")
                       .macs(peer_mac(0), own_mac(0))
                       .build(world->buffers());
  frame->data[frame->length - 4] ^= 1;
  world->inject(0, frame);
  world->run();
  EXPECT_EQ(world->count(Reason::tcp_checksum_bad), 0u);
  EXPECT_EQ(world->count(Reason::port_unreachable), 1u);
  // To the listener it is dropped, without an answer.
  world->take(0);
  frame = Frame()
              .from("10.0.0.2", 5000)
              .to("10.8.8.8", 9000)
              .tcp("S")
              .macs(peer_mac(0), own_mac(0))
              .build(world->buffers());
  frame->data[frame->length - 4] ^= 1;
  world->inject(0, frame);
  world->run();
  EXPECT_EQ(world->count(Reason::tcp_checksum_bad), 1u);
  EXPECT_EQ(world->take(0).size(), 0u);
}

TEST_F(TcpStageTest, ResetsWhatNobodyHas) {
  make();
  world->send(0, Frame().from("10.0.0.2", 5000).to("10.8.8.8", 9000).tcp("A"));
  EXPECT_EQ(world->count(Reason::tcp_no_connection), 1u);
  EXPECT_EQ(world->take(0).size(), 1u);
  world->send(0, Frame().from("10.0.0.2", 5000).to("10.8.8.8", 9000).tcp("R"));
  EXPECT_EQ(world->take(0).size(), 0u);
}

TEST_F(TcpStageTest, ResetsClientsThatNoEndpointCanServe) {
  make({.services = service_json({})});
  open();
  ASSERT_EQ(client->ends.size(), 1u);
  EXPECT_EQ(client->ends[0], tcp::End::reset);
  EXPECT_EQ(counters().no_endpoint.read(), 1u);
  // And those whose endpoint refuses.
  world->apply(service_json({"10.0.1.99"}), listener_json("10.8.8.8", 9000, "\"connectTimeout\":300,"));
  open();
  run(kSecond);
  ASSERT_EQ(client->ends.size(), 2u);
  EXPECT_EQ(counters().connect_failed.read(), 1u);
  expect_nothing_left();
}

TEST_F(TcpStageTest, KeepsConnectionsOfAListenerThatGoes) {
  make();
  Connection* c = open();
  ASSERT_EQ(server->open.size(), 1u);
  world->apply(service_json({"10.0.1.2"}));
  client->send(*c, "still here");
  run();
  EXPECT_EQ(server->read(*server->open[0]), "still here");
  open();
  EXPECT_EQ(server->open.size(), 1u) << "no new ones";
  client->stack().abort(*c);
  std::erase(client->open, c);
  run();
  EXPECT_EQ(server->open.size(), 0u);
  expect_nothing_left();
}

TEST_F(TcpStageTest, RefusesNewConnectionsWhileItDrains) {
  make();
  open();
  EXPECT_FALSE(world->lane(0).tcp().drained());
  world->shared().refuse_new.store(true);
  open();
  EXPECT_EQ(client->ends.size(), 1u);
  EXPECT_EQ(client->ends[0], tcp::End::refused);
  EXPECT_EQ(client->open.size(), 1u);
  EXPECT_EQ(world->count(Reason::draining), 1u);
}

TEST_F(TcpStageTest, ResetsBothSidesWhenItEnds) {
  make();
  open();
  open();
  while (world->lane(0).tcp().reset_some()) continue;
  run();
  EXPECT_EQ(client->ends, (std::vector{tcp::End::reset, tcp::End::reset}));
  EXPECT_EQ(server->ends, (std::vector{tcp::End::reset, tcp::End::reset}));
  expect_nothing_left();
}

TEST_F(TcpStageTest, HoldsTheLimitsOfTheMesh) {
  make({.listeners = listener_json("10.8.8.8", 9000, "\"maxConnectionsPerClient\":2,")});
  for (int i = 0; i < 3; ++i) open();
  EXPECT_EQ(client->open.size(), 2u);
  EXPECT_EQ(counters().over_limit.read(), 1u);
}

TEST_F(TcpStageTest, TellsPortsOfRepliesForAsLongAsTheyMayCome) {
  World::Options options{.claims = true};
  options.services = service_json({"10.0.1.2"});
  const std::string none = "\"maxConnections\":0";
  options.services.replace(options.services.find(none), none.size(), "\"maxConnections\":1");
  make(options);
  Connection* c = open();
  ASSERT_EQ(server->open.size(), 1u);
  EXPECT_EQ(world->claimed(), 1u);
  // One that the endpoint's limit refuses leaves nothing behind.
  open();
  EXPECT_EQ(client->ends.size(), 1u);
  EXPECT_EQ(world->claimed(), 1u);
  // Whoever has closed still has to hear of the other side's end.
  client->stack().shut_down(*c);
  run();
  EXPECT_EQ(world->claimed(), 1u);
  server->stack().shut_down(*server->open[0]);
  run(130 * kSecond);
  EXPECT_EQ(world->claimed(), 0u);
}

TEST_F(TcpStageTest, HoldsThemOverAllLanes) {
  make({.lanes = 3, .listeners = listener_json("10.8.8.8", 9000, "\"maxConnectionsPerClient\":5,")}, -1);
  for (int i = 0; i < 30; ++i) open();
  EXPECT_EQ(client->open.size(), 5u);
  uint64_t refused = 0;
  for (unsigned lane = 0; lane < 3; ++lane) {
    EXPECT_GT(counters(lane).taken.read(), 0u);
    refused += counters(lane).over_limit.read();
  }
  EXPECT_EQ(refused, 25u);
}

TEST_F(TcpStageTest, WorksByIpv6) {
  make({.services = service_json({"fd00:0:0:1::2"}, "fd00:9::9"), .listeners = listener_json("fd00:8::8", 9000)});
  client = std::make_unique<WorldPeer>(*world, 0, "fd00::2");
  server = std::make_unique<WorldPeer>(*world, 1, "fd00:0:0:1::2");
  Connection* c = open(9000, "fd00:8::8");
  ASSERT_EQ(server->open.size(), 1u);
  client->send(*c, "six");
  run();
  EXPECT_EQ(server->read(*server->open[0]), "six");
}

TEST_F(TcpStageTest, CarriesAClientOfOneFamilyToAnEndpointOfTheOther) {
  make({.services = service_json({"fd00:0:0:1::2"}, "fd00:9::9")});
  server = std::make_unique<WorldPeer>(*world, 1, "fd00:0:0:1::2");
  Connection* c = open();
  ASSERT_EQ(server->open.size(), 1u);
  client->send(*c, "four to six");
  run();
  EXPECT_EQ(server->read(*server->open[0]), "four to six");
}

TEST_F(TcpStageTest, BringsAConnectionsPacketsToItsLane) {
  make({.lanes = 3}, -1);
  for (int i = 0; i < 40; ++i) open();
  ASSERT_EQ(client->open.size(), 40u);
  ASSERT_EQ(server->open.size(), 40u);
  for (Connection* c : client->open) client->send(*c, "x");
  run();
  for (Connection* s : server->open) {
    EXPECT_EQ(server->read(*s), "x");
    server->send(*s, "y");
  }
  run();
  for (Connection* c : client->open) EXPECT_EQ(client->read(*c), "y");
  for (unsigned lane = 0; lane < 3; ++lane) EXPECT_GT(counters(lane).taken.read(), 3u);
  for (Connection* c : std::vector(client->open)) client->stack().close(*c);
  run();
  for (Connection* s : std::vector(server->open)) server->stack().close(*s);
  expect_nothing_left();
}

TEST_F(TcpStageTest, DropsFragmentsOfItsConnectionsInsteadOfResettingThem) {
  make();
  Frame fragment = Frame().from("10.0.0.2", 40'000).to("10.8.8.8", 9000).tcp("A");
  fragment.payload_of(100).fragment(7, 0, 40);
  world->send(0, fragment);
  EXPECT_EQ(world->count(Reason::tcp_fragmented), 1u);
  EXPECT_EQ(world->take(0).size(), 0u);
}

}  // namespace
}  // namespace flatproxy::test
