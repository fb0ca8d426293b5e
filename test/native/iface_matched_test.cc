#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>

#include <array>

#include "iface_fixture.h"
#include "port/iface_unblock.h"

namespace flatproxy {
namespace {

using test::Cluster;

wire::Address address(const std::string& ip) {
  std::array<uint8_t, 16> raw{};
  if (inet_pton(AF_INET, ip.c_str(), raw.data()) == 1) return wire::Address::from_v4(raw.data());
  inet_pton(AF_INET6, ip.c_str(), raw.data());
  return wire::Address::from_v6(raw.data());
}

// The workload (10.8.0.1) behind the node's w0, of which only claims are taken.
class Matched : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0 || !cluster_.ready) GTEST_SKIP() << "needs root, network namespaces and iproute2";
    ASSERT_TRUE(cluster_.address_node());
    ASSERT_TRUE(cluster_.workload.run("ip route add default via 10.8.0.254 && ip route add default via fd08::fe"));
    IfaceConfig config;
    config.interface = "w0";
    config.take = Take::matched;
    try {
      ports_ = cluster_.open(config);
    } catch (const Error& error) {
      if (error.code != "ERR_FLATPROXY_PERMISSION") throw;
      GTEST_SKIP() << error.what();
    }
    node_answers();  // so that no neighbour discovery disturbs the counts
    taken();
  }
  void TearDown() override {
    if (ports_.wire) taken();
  }
  bool node_answers() { return cluster_.workload.run("ping -c1 -W2 10.8.0.254 && ping -c1 -W2 fd08::fe"); }

  void send_udp(const std::string& to, uint16_t port, size_t bytes = 10, uint16_t from = 0) {
    cluster_.workload.in([&] {
      socklen_t length;
      const auto destination = test::socket_address(to, port, &length);
      const Fd fd(socket(destination.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      auto source = test::socket_address(to.find(':') == std::string::npos ? "10.8.0.1" : "fd08::1", from, &length);
      ASSERT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&source), length), 0);
      const std::vector<char> payload(bytes, 'x');
      sendto(fd.get(), payload.data(), bytes, 0, reinterpret_cast<const sockaddr*>(&destination), length);
    });
  }
  void send_raw(const std::string& to, int protocol, const void* data, size_t bytes) {
    cluster_.workload.in([&] {
      socklen_t length;
      const auto destination = test::socket_address(to, 0, &length);
      const Fd fd(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, protocol));
      sendto(fd.get(), data, bytes, 0, reinterpret_cast<const sockaddr*>(&destination), length);
    });
  }
  // The frames that came to us, as their EtherTypes.
  std::vector<uint16_t> taken() {
    std::vector<uint16_t> types;
    pollfd wait{ports_.wire->queue(0).wait_fd(), POLLIN, 0};
    do {
      QueueContext context{buffers_, test::monotonic_now()};
      ports_.wire->queue(0).beat(context.now);
      Burst burst;
      ports_.wire->queue(0).receive(context, burst);
      for (Segment* frame : burst) {
        types.push_back(static_cast<uint16_t>(frame->data[12] << 8 | frame->data[13]));
        release(frame);
      }
    } while (poll(&wait, 1, 60) == 1);
    return types;
  }
  void beat() { ports_.wire->queue(0).beat(test::monotonic_now()); }
  Tuple udp(const std::string& from, uint16_t from_port, const std::string& to, uint16_t to_port) {
    return {address(from), address(to), from_port,
            to_port,       IPPROTO_UDP, static_cast<uint8_t>(address(from).is_v4() ? 4 : 6)};
  }
  using Types = std::vector<uint16_t>;

  Cluster cluster_;
  IfacePorts ports_;
  Buffers buffers_;
};

TEST_F(Matched, TheKernelsOwnTrafficIsNotTouched) {
  ports_.claims->set_claims({{address("10.8.0.99"), IPPROTO_TCP, 80}});
  test::RunningBridge bridge(test::Pairs{{&ports_.wire->queue(0), &ports_.wire->queue(0)}});
  EXPECT_EQ(ports_.host, nullptr);
  EXPECT_TRUE(test::transfer(cluster_.workload, cluster_.node, "10.8.0.254", 16 << 20));
  EXPECT_TRUE(test::transfer(cluster_.node, cluster_.workload, "fd08::1", 16 << 20));
  EXPECT_EQ(bridge.stop().frames(), 0u);
}

TEST_F(Matched, AVirtualAddressIsAllOurs) {
  ports_.claims->set_claims({{address("10.8.0.99"), IPPROTO_UDP, 53}, {address("fd08::99"), IPPROTO_UDP, 53}});
  beat();
  send_udp("10.8.0.99", 53);
  const Types arp = taken();
  ASSERT_FALSE(arp.empty());
  EXPECT_EQ(arp[0], ETH_P_ARP) << "nobody else answers for it";
  send_udp("fd08::99", 53);
  const Types solicitation = taken();
  ASSERT_FALSE(solicitation.empty());
  for (const uint16_t type : solicitation) EXPECT_TRUE(type == ETH_P_IPV6 || type == ETH_P_ARP);
  const std::string mac = " lladdr " + ports_.wire->info().mac.to_string() + " dev w1";
  ASSERT_TRUE(cluster_.workload.run("ip neigh replace 10.8.0.99" + mac + " && ip neigh replace fd08::99" + mac));
  taken();
  send_udp("10.8.0.99", 53);
  send_udp("10.8.0.99", 54);
  EXPECT_EQ(taken(), (Types{ETH_P_IP, ETH_P_IP}));
  send_udp("fd08::99", 53);
  send_udp("fd08::99", 54, 4000);
  EXPECT_EQ(taken(), Types(4, ETH_P_IPV6)) << "one, and three fragments";
}

TEST_F(Matched, OfTheNodesAddressOnlyTheClaimedPort) {
  ports_.claims->set_claims({{address("10.8.0.254"), IPPROTO_UDP, 7777}, {address("fd08::fe"), IPPROTO_UDP, 7777}});
  beat();
  send_udp("10.8.0.254", 7777);
  send_udp("fd08::fe", 7777);
  EXPECT_EQ(taken(), (Types{ETH_P_IP, ETH_P_IPV6}));
  send_udp("10.8.0.254", 7778);
  send_udp("fd08::fe", 7778);
  EXPECT_EQ(taken(), Types{});
  EXPECT_TRUE(node_answers()) << "echo is not claimed";
  EXPECT_EQ(taken(), Types{});
  send_udp("10.8.0.254", 7777, 4000);
  EXPECT_EQ(taken(), Types(3, ETH_P_IP)) << "all fragments of a claimed address";
}

TEST_F(Matched, ClaimsComeAndGo) {
  const Claim first{address("10.8.0.254"), IPPROTO_UDP, 7001};
  const Claim second{address("10.8.0.254"), IPPROTO_UDP, 7002};
  ports_.claims->set_claims({first});
  ports_.claims->set_claims({second});
  beat();
  send_udp("10.8.0.254", 7001);
  EXPECT_EQ(taken(), Types{});
  send_udp("10.8.0.254", 7002);
  EXPECT_EQ(taken(), Types{ETH_P_IP});
  ports_.claims->set_claims({});
  send_udp("10.8.0.254", 7002);
  EXPECT_EQ(taken(), Types{});
}

TEST_F(Matched, AClaimedReplyIsTakenWithItsFragments) {
  beat();
  send_udp("10.99.0.9", 1234, 10, 9000);
  EXPECT_EQ(taken(), Types{}) << "forwarding is the kernel's business";
  const Tuple v4 = udp("10.8.0.1", 9000, "10.99.0.9", 1234);
  const Tuple v6 = udp("fd08::1", 9000, "fd99::9", 1234);
  ASSERT_TRUE(ports_.claims->claim(v4));
  ASSERT_TRUE(ports_.claims->claim(v6));
  send_udp("10.99.0.9", 1234, 10, 9000);
  send_udp("fd99::9", 1234, 10, 9000);
  EXPECT_EQ(taken(), (Types{ETH_P_IP, ETH_P_IPV6}));
  send_udp("10.99.0.9", 1234, 4000, 9000);
  send_udp("fd99::9", 1234, 4000, 9000);
  EXPECT_EQ(taken(), (Types{ETH_P_IP, ETH_P_IP, ETH_P_IP, ETH_P_IPV6, ETH_P_IPV6, ETH_P_IPV6}));
  send_udp("10.99.0.9", 1234, 4000, 9001);
  EXPECT_EQ(taken(), Types{}) << "another flow's fragments are not";
  ports_.claims->unclaim(v4);
  ports_.claims->unclaim(v6);
  send_udp("10.99.0.9", 1234, 10, 9000);
  send_udp("fd99::9", 1234, 10, 9000);
  EXPECT_EQ(taken(), Types{});
}

struct IcmpError {
  icmphdr icmp;
  iphdr ip;
  udphdr udp;
};

IcmpError unreachable(const std::string& from, uint16_t from_port, const std::string& to, uint16_t to_port) {
  IcmpError error{};
  error.icmp.type = ICMP_DEST_UNREACH;
  error.icmp.code = ICMP_PORT_UNREACH;
  error.ip.version = 4;
  error.ip.ihl = 5;
  error.ip.protocol = IPPROTO_UDP;
  inet_pton(AF_INET, from.c_str(), &error.ip.saddr);
  inet_pton(AF_INET, to.c_str(), &error.ip.daddr);
  error.udp.source = htons(from_port);
  error.udp.dest = htons(to_port);
  return error;
}

TEST_F(Matched, IcmpErrorsFollowTheFlowInsideThem) {
  ASSERT_TRUE(ports_.claims->claim(udp("10.8.0.1", 9000, "10.99.0.9", 1234)));
  beat();
  const IcmpError ours = unreachable("10.99.0.9", 1234, "10.8.0.1", 9000);
  send_raw("10.99.0.9", IPPROTO_ICMP, &ours, sizeof(ours));
  EXPECT_EQ(taken(), Types{ETH_P_IP});
  const IcmpError others = unreachable("10.99.0.9", 1235, "10.8.0.1", 9000);
  send_raw("10.99.0.9", IPPROTO_ICMP, &others, sizeof(others));
  EXPECT_EQ(taken(), Types{});
  ports_.claims->set_claims({{address("10.8.0.254"), IPPROTO_UDP, 7777}});
  send_raw("10.8.0.254", IPPROTO_ICMP, &others, sizeof(others));
  EXPECT_EQ(taken(), Types{ETH_P_IP}) << "an error for a claimed address";
}

TEST_F(Matched, NeighborAnswersComeToBoth) {
  beat();
  ASSERT_TRUE(cluster_.node.run("ip neigh flush dev w0; ping -c1 -W2 10.8.0.1"));
  const Types types = taken();
  ASSERT_FALSE(types.empty());
  EXPECT_EQ(types[0], ETH_P_ARP);
}

TEST_F(Matched, MalformedFramesStayTheKernels) {
  ports_.claims->set_claims({{address("10.8.0.254"), IPPROTO_UDP, 7777}});
  beat();
  const uint8_t stub[3] = {};
  send_raw("10.8.0.254", IPPROTO_ICMP, stub, sizeof(stub));
  send_raw("10.8.0.254", IPPROTO_UDP, stub, sizeof(stub));
  IcmpError cut = unreachable("10.99.0.9", 1235, "10.8.0.1", 9000);
  cut.ip.ihl = 15;
  send_raw("10.99.0.9", IPPROTO_ICMP, &cut, sizeof(cut));
  EXPECT_EQ(taken(), Types{});
}

TEST_F(Matched, WhenTheTableIsFullAClaimIsRefused) {
  IfaceConfig config;
  config.interface = "s0";
  config.take = Take::matched;
  config.replies = 4;
  const auto ports = cluster_.open(config);
  for (uint16_t port = 1; port <= 4; ++port) EXPECT_TRUE(ports.claims->claim(udp("10.8.0.2", port, "10.9.9.9", 1)));
  EXPECT_FALSE(ports.claims->claim(udp("10.8.0.2", 5, "10.9.9.9", 1)));
  ports.claims->unclaim(udp("10.8.0.2", 1, "10.9.9.9", 1));
  EXPECT_TRUE(ports.claims->claim(udp("10.8.0.2", 5, "10.9.9.9", 1)));
}

TEST_F(Matched, ABlockHoldsBackOnlyWhatIsClaimed) {
  ports_ = {};
  IfaceConfig config;
  config.interface = "w0";
  config.take = Take::matched;
  config.on_exit = OnExit::block;
  const auto listener = test::listen_on(cluster_.node, "10.8.0.254", 8080);
  {
    const auto ports = cluster_.open(config);
    ports.claims->set_claims({{address("10.8.0.254"), IPPROTO_TCP, 8080}});
  }
  EXPECT_FALSE(test::connect_to(cluster_.workload, "10.8.0.254", 8080, 500));
  EXPECT_TRUE(test::reaches(cluster_.workload, cluster_.node, "10.8.0.254", 1000));
  EXPECT_EQ(cluster_.node.in([] { return unblock("w0"); }), 1u);
  EXPECT_TRUE(test::connect_to(cluster_.workload, "10.8.0.254", 8080, 3000));
}

}  // namespace
}  // namespace flatproxy
