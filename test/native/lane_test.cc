#include "lane/lane.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/world.h"
#include "wire/bytes.h"

namespace flatproxy {
namespace {

using test::Frame;
using test::World;
using Texts = std::vector<std::string>;

constexpr const char* kClient = "10.0.0.2";
constexpr const char* kVip = "10.9.9.9";
const Texts kServers = {"10.0.1.11", "10.0.1.12", "10.0.1.13"};

World::Options with_service(const char* protocol = "tcp", unsigned lanes = 1) {
  World::Options o;
  o.lanes = lanes;
  o.services = test::service_json(kServers, kVip, protocol);
  return o;
}

/// "10.0.0.2:4000>10.0.1.12:8080 tcp S ttl=63" -> "10.0.1.12"
std::string endpoint_of(const std::string& text) {
  const size_t from = text.find('>') + 1;
  return text.substr(from, text.rfind(':', text.find(' ')) - from);
}

TEST(Routed, ForwardsBetweenPortsAndCountsHops) {
  World world({});
  world.send(0, Frame().from(kClient, 1000).to("10.0.1.5", 2000).udp().ttl(9));
  EXPECT_EQ(world.take(1), Texts{"10.0.0.2:1000>10.0.1.5:2000 udp ttl=8"});
  world.send(0, Frame().from("fd00::2", 1000).to("fd00:0:0:1::5", 2000).udp().ttl(9));
  EXPECT_EQ(world.take(1), Texts{"fd00::2:1000>fd00:0:0:1::5:2000 udp ttl=8"});
  EXPECT_EQ(world.count(Reason::forwarded), 2u);
}

TEST(Routed, FollowsTheLongestPrefixAndItsGateway) {
  World::Options o;
  o.ports = 3;
  o.routes = R"([{"to":"172.16.0.0/12","port":1,"via":"10.0.1.99"},{"to":"172.16.5.0/24","port":2,"via":"10.0.2.99"}])";
  World world(o);
  world.send(0, Frame().from(kClient, 1).to("172.16.4.1", 2).udp());
  world.send(0, Frame().from(kClient, 1).to("172.16.5.1", 2).udp());
  EXPECT_EQ(world.take(1), Texts{"10.0.0.2:1>172.16.4.1:2 udp ttl=63"});
  EXPECT_EQ(world.take(2), Texts{"10.0.0.2:1>172.16.5.1:2 udp ttl=63"});
}

TEST(Routed, TellsTheSenderWhatCannotBe) {
  World world({});
  world.send(0, Frame().from(kClient, 1).to("10.0.1.5", 2).udp().ttl(1));
  EXPECT_EQ(world.take(0), Texts{"10.0.0.1>10.0.0.2 icmp 11/0 ttl=64"});
  EXPECT_EQ(world.count(Reason::ttl_exceeded), 1u);
  world.send(0, Frame().from(kClient, 1).to("99.9.9.9", 2).udp());
  EXPECT_EQ(world.take(0), Texts{"10.0.0.1>10.0.0.2 icmp 3/0 ttl=64"});
  EXPECT_EQ(world.count(Reason::no_route), 1u);
  world.send(0, Frame().from("fd00::2", 1).to("fd00:0:0:1::5", 2).udp().ttl(1));
  EXPECT_EQ(world.take(0), Texts{"fd00::1>fd00::2 icmp 3/0 ttl=64"});
  world.send(0, Frame().from(kClient, 1).to("10.0.1.5", 2).udp().payload_of(1600).dont_fragment());
  EXPECT_EQ(world.take(0), Texts{"10.0.0.1>10.0.0.2 icmp 3/4 ttl=64"});
  EXPECT_EQ(world.count(Reason::packet_too_big), 1u);
}

TEST(Routed, AnswersEchoForItsOwnAndForServiceAddresses) {
  World world(with_service());
  world.send(0, Frame().from(kClient).to("10.0.0.1").echo(true, 7));
  world.send(0, Frame().from(kClient).to(kVip).echo(true, 7));
  world.send(0, Frame().from("fd00::2").to("fd00::1").echo(true, 7));
  EXPECT_EQ(world.take(0), (Texts{"10.0.0.1>10.0.0.2 icmp 0/0 ttl=64", "10.9.9.9>10.0.0.2 icmp 0/0 ttl=64",
                                  "fd00::1>fd00::2 icmp 129/0 ttl=64"}));
  EXPECT_EQ(world.count(Reason::echo_answered), 3u);
}

TEST(Routed, WaitsForANeighborAndGivesUpInTheEnd) {
  World::Options o;
  o.neighbors_answer = false;
  World world(o);
  world.send(0, Frame().from(kClient, 1).to("10.0.1.5", 2).udp());
  const auto requests = world.take_frames(1);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(test::content(requests[0])[13], 6) << "an ARP request";
  world.run(5'000'000'000);
  EXPECT_EQ(world.count(Reason::neighbor_unresolved), 1u);
  EXPECT_EQ(world.count(Reason::forwarded), 0u);
}

TEST(Routed, EveryPacketEndsInOneReason) {
  World world(with_service());
  world.send(0, Frame().from(kClient, 1).to("10.0.1.5", 2).udp());
  world.send(0, Frame().from(kClient, 1).to(kVip, 81).tcp("S"));
  world.send(0, Frame().from("127.0.0.1", 1).to("10.0.1.5", 2).udp());
  world.send(0, Frame().from(kClient, 1).to("224.0.0.5", 2).udp());
  uint64_t ended = 0;
  for (size_t r = 0; r < kReasons; ++r) ended += world.count(static_cast<Reason>(r));
  const uint64_t link = world.count(Reason::neighbor_learned) + world.count(Reason::arp_answered);
  EXPECT_EQ(world.count(Reason::no_service), 1u);
  EXPECT_EQ(world.count(Reason::source_invalid), 1u);
  EXPECT_EQ(world.count(Reason::multicast_ignored), 1u);
  EXPECT_EQ(ended - link - world.count(Reason::originated), 4u);
}

class Lanes : public ::testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Count, Lanes, ::testing::Values(1u, 2u, 4u));

TEST_P(Lanes, ATcpConnectionKeepsItsEndpointBothWays) {
  const unsigned n = GetParam();
  World world(with_service("tcp", n));
  for (uint16_t port = 3000; port < 3100; ++port) {
    const unsigned q = port % n;
    world.send(0, Frame().from(kClient, port).to(kVip, 80).tcp("S", 100), q);
    const Texts out = world.take(1);
    ASSERT_EQ(out.size(), 1u);
    const std::string endpoint = endpoint_of(out[0]);
    const std::string client = std::string(kClient) + ":" + std::to_string(port);
    ASSERT_EQ(out[0], client + ">" + endpoint + ":8080 tcp S ttl=63");
    world.send(1, Frame().from(endpoint, 8080).to(kClient, port).tcp("SA", 500, 101), (q + 1) % n);
    ASSERT_EQ(world.take(0), Texts{"10.9.9.9:80>" + client + " tcp SA ttl=63"});
    world.send(0, Frame().from(kClient, port).to(kVip, 80).tcp("A", 101, 501).payload("hello"), (q + 2) % n);
    const auto frames = world.take_frames(1);
    ASSERT_EQ(frames.size(), 1u);
    ASSERT_EQ(endpoint_of(test::describe(frames[0])), endpoint);
    ASSERT_TRUE(test::checksums_right(frames[0]));
  }
  EXPECT_EQ(world.flows(), 100u);
  EXPECT_EQ(world.count(Reason::service_forwarded), 300u);
}

TEST_P(Lanes, VerdictsAndTranslationsAreThoseOfOneLane) {
  const auto run = [](unsigned n) {
    World world(with_service("udp", n));
    Texts all;
    for (uint16_t i = 0; i < 60; ++i) {
      const auto port = static_cast<uint16_t>(5000 + i);
      world.send(0, Frame().from(kClient, port).to(kVip, 80).udp().payload_of(20), i % n);
      const Texts out = world.take(1);
      all.insert(all.end(), out.begin(), out.end());
      if (out.empty()) continue;
      const std::string endpoint = endpoint_of(out[0]);
      // The reply, a fragmented one, an error about it and an error about the request: each by another queue.
      world.send(1, Frame().from(endpoint, 8080).to(kClient, port).udp().payload_of(30), (i + 1) % n);
      const Frame big = Frame().from(endpoint, 8080).to(kClient, port).udp().payload_of(2000);
      world.send(1, Frame(big).fragment(i, 1200, 0), (i + 2) % n);
      world.send(1, Frame(big).fragment(i, 0, 1200), (i + 3) % n);
      const auto request = Frame().from(kClient, port).to(endpoint, 8080).udp().payload_of(20).packet();
      world.send(1, Frame().from(endpoint).to(kClient).icmp_error(3, 3, request), (i + 1) % n);
      const auto reply = Frame().from(kVip, 80).to(kClient, port).udp().payload_of(30).packet();
      world.send(0, Frame().from(kClient).to(kVip).icmp_error(3, 3, reply), (i + 3) % n);
      for (unsigned side : {0u, 1u}) {
        for (const Segment* frame : world.take_frames(side)) {
          EXPECT_TRUE(test::checksums_right(frame)) << test::describe(frame);
          all.push_back(test::describe(frame));
        }
      }
    }
    return all;
  };
  const Texts one = run(1);
  EXPECT_EQ(one.size(), 60u * 6);
  EXPECT_EQ(run(GetParam()), one);
}

TEST_P(Lanes, WhoAsksAnEndpointItselfHasItsAnswersAsTheyAre) {
  World::Options options = with_service("udp", GetParam());
  World world(options);
  for (uint16_t port = 4000; port < 4040; ++port) {
    const unsigned queue = port % GetParam();
    for (const std::string& server : kServers) {
      world.send(0, Frame().from(kClient, port).to(server, 8080).udp(), queue);
      world.send(1, Frame().from(server, 8080).to(kClient, port).udp(), (queue + 1) % GetParam());
      const std::string answer = server + ":8080>10.0.0.2:" + std::to_string(port) + " udp ttl=63";
      EXPECT_EQ(world.take(0), Texts{answer});
    }
  }
  EXPECT_EQ(world.count(Reason::service_forwarded), 0u);
  world.run(400'000'000'000);
  EXPECT_EQ(world.flows(), 0u);
}

TEST_P(Lanes, FragmentsFollowTheirFlowInAnyOrder) {
  const unsigned n = GetParam();
  World world(with_service("udp", n));
  const Frame packet = Frame().from(kClient, 4000).to(kVip, 80).udp().payload_of(3000);
  world.send(0, Frame(packet).fragment(9, 1480, 1480), 1 % n);
  world.send(0, Frame(packet).fragment(9, 2960, 0), 2 % n);
  EXPECT_EQ(world.take(1).size(), 0u) << "nobody knows yet whose they are";
  world.send(0, Frame(packet).fragment(9, 0, 1480), 0);
  const Texts out = world.take(1);
  ASSERT_EQ(out.size(), 3u);
  const std::string endpoint = endpoint_of(out[0]);
  EXPECT_EQ(std::count(out.begin(), out.end(), "10.0.0.2>" + endpoint + " fragment ttl=63"), 2);
  EXPECT_EQ(world.flows(), 1u);
}

TEST_P(Lanes, LateFragmentsWithoutAFirstOneAreGivenUp) {
  World world(with_service("udp", GetParam()));
  world.send(0, Frame().from(kClient, 4000).to(kVip, 80).udp().payload_of(3000).fragment(9, 1480, 1480));
  world.run(8'000'000'000);
  EXPECT_EQ(world.count(Reason::fragment_unmatched), 1u);
}

TEST_P(Lanes, UnknownIcmpErrorsForServicesAreDropped) {
  World world(with_service("udp", GetParam()));
  const auto reply = Frame().from(kVip, 80).to(kClient, 999).udp().packet();
  world.send(0, Frame().from(kClient).to(kVip).icmp_error(3, 3, reply));
  EXPECT_EQ(world.count(Reason::icmp_unrelated), 1u);
}

TEST_P(Lanes, AdoptsConnectionsInMidStreamFromEitherSide) {
  const unsigned n = GetParam();
  World first(with_service("tcp", n));
  first.send(0, Frame().from(kClient, 4000).to(kVip, 80).tcp("S", 100));
  const std::string endpoint = endpoint_of(first.take(1).at(0));

  World from_client(with_service("tcp", n));
  from_client.send(0, Frame().from(kClient, 4000).to(kVip, 80).tcp("A", 700, 900).payload("x"), n - 1);
  EXPECT_EQ(endpoint_of(from_client.take(1).at(0)), endpoint) << "Maglev finds the same one";

  World from_server(with_service("tcp", n));
  from_server.send(1, Frame().from(endpoint, 8080).to(kClient, 4000).tcp("A", 900, 700).payload("x"), n - 1);
  EXPECT_EQ(from_server.take(0), Texts{"10.9.9.9:80>10.0.0.2:4000 tcp A ttl=63"});
  from_server.send(0, Frame().from(kClient, 4000).to(kVip, 80).tcp("A", 700, 901));
  EXPECT_EQ(endpoint_of(from_server.take(1).at(0)), endpoint);
  EXPECT_EQ(from_server.flows(), 1u);
}

TEST(MidStream, IsRefusedWhereItIsNotWanted) {
  World::Options o = with_service();
  o.flows = R"("midstream":"reject",)";
  World world(o);
  world.send(0, Frame().from(kClient, 4000).to(kVip, 80).tcp("A", 700, 900));
  EXPECT_EQ(world.take(1), Texts{});
  EXPECT_EQ(world.count(Reason::tcp_no_flow), 1u);
}

TEST(Services, KeepChecksumsTrueHoweverTheyCome) {
  World world(with_service("udp"));
  world.send(0, Frame().from(kClient, 1).to(kVip, 80).udp().no_checksum().payload("abc"));
  world.send(0, Frame().from(kClient, 2).to(kVip, 80).udp().needs_checksum().payload("abc"));
  world.send(0, Frame().from(kClient, 3).to(kVip, 80).udp().payload("abc"));
  const auto frames = world.take_frames(1);
  ASSERT_EQ(frames.size(), 3u);
  for (const Segment* frame : frames) EXPECT_TRUE(test::checksums_right(frame)) << test::describe(frame);
  EXPECT_EQ(test::content(frames[0])[40], 0) << "no checksum stays no checksum";
  EXPECT_TRUE((frames[1]->flags & kNeedsChecksum) != 0);
}

TEST(Services, ALargeFrameCountsAsWhatItIsOnTheWire) {
  World world(with_service());
  world.send(0, Frame().from(kClient, 1).to(kVip, 80).tcp("S", 100));
  const std::string endpoint = endpoint_of(world.take(1).at(0));
  world.send(1, Frame().from(endpoint, 8080).to(kClient, 1).tcp("SA", 500, 101));
  world.send(0, Frame().from(kClient, 1).to(kVip, 80).tcp("A", 101, 501).payload_of(14600).gso(1460));
  const auto frames = world.take_frames(1);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0]->gso_size, 1460);
  EXPECT_TRUE(test::checksums_right(frames[0]));
  EXPECT_EQ(world.count(Reason::service_forwarded), 12u);
}

TEST(Services, SaySoWhenThereIsNoEndpoint) {
  World::Options o;
  o.services = test::service_json({}, kVip);
  World world(o);
  world.send(0, Frame().from(kClient, 1).to(kVip, 80).tcp("S", 100));
  EXPECT_EQ(world.take(0), Texts{"10.9.9.9:80>10.0.0.2:1 tcp RA ttl=64"});
  EXPECT_EQ(world.count(Reason::no_endpoint), 1u);
}

TEST(Services, MoveASourcePortThatTheEndpointKnowsAlready) {
  World::Options o;
  const std::string one = test::service_json({"10.0.1.11"}, kVip);
  std::string two = test::service_json({"10.0.1.11"}, "10.9.9.8");
  two.replace(two.find("\"id\":0"), 6, "\"id\":1");
  two.replace(two.find("{\"id\":0"), 7, "{\"id\":1");
  o.services = one.substr(0, one.size() - 1) + "," + two.substr(1);
  World world(o);
  world.send(0, Frame().from(kClient, 4000).to(kVip, 80).tcp("S", 100));
  EXPECT_EQ(world.take(1), Texts{"10.0.0.2:4000>10.0.1.11:8080 tcp S ttl=63"});
  world.send(0, Frame().from(kClient, 4000).to("10.9.9.8", 80).tcp("S", 100));
  const std::string moved = world.take(1).at(0);
  EXPECT_NE(moved, "10.0.0.2:4000>10.0.1.11:8080 tcp S ttl=63");
  const auto port = static_cast<uint16_t>(std::stoi(moved.substr(moved.find(':') + 1)));
  world.send(1, Frame().from("10.0.1.11", 8080).to(kClient, port).tcp("SA", 500, 101));
  EXPECT_EQ(world.take(0), Texts{"10.9.9.8:80>10.0.0.2:4000 tcp SA ttl=63"});
}

TEST(Services, EstablishedFlowsStayWhereTheyAreWhenEndpointsChange) {
  World world(with_service());
  world.send(0, Frame().from(kClient, 1).to(kVip, 80).tcp("S", 100));
  const std::string endpoint = endpoint_of(world.take(1).at(0));
  world.send(1, Frame().from(endpoint, 8080).to(kClient, 1).tcp("SA", 500, 101));
  world.take(0);
  world.apply(test::service_json({"10.0.1.99"}, kVip));
  world.send(0, Frame().from(kClient, 1).to(kVip, 80).tcp("A", 101, 501));
  EXPECT_EQ(endpoint_of(world.take(1).at(0)), endpoint);
  world.send(0, Frame().from(kClient, 2).to(kVip, 80).tcp("S", 100));
  EXPECT_EQ(endpoint_of(world.take(1).at(0)), "10.0.1.99");
}

World::Options with_health_check(const std::string& check, unsigned lanes) {
  World::Options o = with_service("tcp", lanes);
  const std::string none = R"("healthCheck":null)";
  o.services.replace(o.services.find(none), none.size(), "\"healthCheck\":" + check);
  return o;
}

TEST_P(Lanes, ProbesEndpointsAndPassesOverTheOneThatRefuses) {
  const unsigned n = GetParam();
  World world(with_health_check(R"({"interval":1000,"timeout":500,"healthy":1,"unhealthy":1,"jitter":0})", n));
  unsigned probes = 0;
  for (int step = 0; step < 30; ++step) {
    world.run(100'000'000);
    for (const Segment* sent : world.take_frames(1)) {
      const std::string probe = test::describe(sent);
      ASSERT_EQ(probe.rfind("10.0.1.1:", 0), 0u) << "from our own address: " << probe;
      if (probe.find(" tcp S ") == std::string::npos) continue;
      ++probes;
      const auto port = static_cast<uint16_t>(std::stoi(probe.substr(9)));
      const std::string endpoint = endpoint_of(probe);
      const uint32_t sequence = wire::load32(&test::content(sent)[38]);
      const bool refuses = endpoint == kServers[0];
      world.send(1, Frame().from(endpoint, 8080).to("10.0.1.1", port).tcp(refuses ? "RA" : "SA", 900, sequence + 1),
                 port % n);
    }
  }
  EXPECT_GE(probes, 6u);
  EXPECT_EQ(world.count(Reason::probe_answered), probes);
  for (uint16_t i = 0; i < 40; ++i) {
    world.send(0, Frame().from(kClient, static_cast<uint16_t>(2000 + i)).to(kVip, 80).tcp("S", 100), i % n);
    for (const std::string& out : world.take(1)) EXPECT_NE(endpoint_of(out), kServers[0]);
  }
}

TEST_P(Lanes, BelieveTheErrorThatSaysAnEndpointCannotBeReached) {
  const unsigned n = GetParam();
  World world(with_health_check(R"({"interval":1000,"timeout":900,"healthy":1,"unhealthy":1,"jitter":0})", n));
  unsigned errors = 0;
  for (int step = 0; step < 9; ++step) {
    world.run(100'000'000);
    for (const Segment* sent : world.take_frames(1)) {
      const std::string probe = test::describe(sent);
      if (probe.find(" tcp S ") == std::string::npos || endpoint_of(probe) != kServers[0]) continue;
      ++errors;
      std::vector<uint8_t> quoted = test::content(sent);
      quoted.erase(quoted.begin(), quoted.begin() + 14);
      world.send(1, Frame().from(kServers[0]).to("10.0.1.1").icmp_error(3, 1, quoted), errors % n);
    }
  }
  EXPECT_GE(errors, 1u);
  EXPECT_EQ(world.count(Reason::probe_answered), errors);
  for (uint16_t i = 0; i < 40; ++i) {
    world.send(0, Frame().from(kClient, static_cast<uint16_t>(2000 + i)).to(kVip, 80).tcp("S", 100), i % n);
    for (const std::string& out : world.take(1)) EXPECT_NE(endpoint_of(out), kServers[0]);
  }
}

TEST(FlowTableFull, GivesUpUnassuredFlowsAndNoEstablishedOne) {
  World::Options o = with_service();
  o.capacity = 64;
  World world(o);
  world.send(0, Frame().from(kClient, 1).to(kVip, 80).tcp("S", 100));
  const std::string endpoint = endpoint_of(world.take(1).at(0));
  world.send(1, Frame().from(endpoint, 8080).to(kClient, 1).tcp("SA", 500, 101));
  world.send(0, Frame().from(kClient, 1).to(kVip, 80).tcp("A", 101, 501));
  for (uint32_t i = 0; i < 5000; ++i) {
    const std::string source = "10.0.0." + std::to_string(10 + i % 200);
    world.send(0, Frame().from(source, static_cast<uint16_t>(i + 1)).to(kVip, 80).tcp("S", i));
  }
  world.take(1);
  EXPECT_EQ(world.flows(), 64u);
  world.send(0, Frame().from(kClient, 1).to(kVip, 80).tcp("A", 101, 501).payload("still here"));
  EXPECT_EQ(endpoint_of(world.take(1).at(0)), endpoint);
  EXPECT_EQ(world.count(Reason::tcp_no_flow), 0u);
}

}  // namespace
}  // namespace flatproxy
