// Which way frames take to a veth's other end, and that the short one changes nothing but the cost.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <sys/syscall.h>

#include "iface_fixture.h"

namespace flatproxy {
namespace {

using test::Cluster;

/// Sees what passes a device, as tcpdump does.
class Sniffer {
 public:
  Sniffer(const test::Netns& netns, const std::string& device)
      : fd_(netns.in([&] {
          const uint32_t index = Netlink().find_link(device)->index;
          Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL)));
          sockaddr_ll to{};
          to.sll_family = AF_PACKET;
          to.sll_protocol = htons(ETH_P_ALL);
          to.sll_ifindex = static_cast<int>(index);
          EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
          return fd;
        })) {}
  /// IPv4 frames that have left by the device.
  unsigned left() const {
    unsigned count = 0;
    sockaddr_ll from{};
    socklen_t length = sizeof(from);
    char byte;
    while (recvfrom(fd_.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &length) >= 0) {
      count += from.sll_pkttype == PACKET_OUTGOING && from.sll_protocol == htons(ETH_P_IP);
    }
    return count;
  }

 private:
  Fd fd_;
};

/// An XDP program that passes everything on.
Fd load_xdp_pass() {
  const bpf_insn program[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  bpf_attr attr{};
  attr.prog_type = BPF_PROG_TYPE_XDP;
  attr.insns = reinterpret_cast<uint64_t>(program);
  attr.insn_cnt = 2;
  attr.license = reinterpret_cast<uint64_t>("GPL");
  return Fd(static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr))));
}

int attach_xdp(const test::Netns& netns, const std::string& device, const Fd& program) {
  Netlink netlink = test::netlink_in(netns);
  ifinfomsg body{};
  body.ifi_index = static_cast<int>(netlink.find_link(device)->index);
  NetlinkRequest request(RTM_SETLINK, NLM_F_ACK, body);
  const size_t nested = request.open(IFLA_XDP | NLA_F_NESTED);
  request.attribute(IFLA_XDP_FD, static_cast<uint32_t>(program.get()));
  request.close(nested);
  return netlink.transact(request);
}

class IfaceDelivery : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0 || !cluster_.ready) GTEST_SKIP() << "needs root, network namespaces and iproute2";
    try {
      open("s0", Delivery::device);
    } catch (const Error& error) {
      if (error.code == "ERR_FLATPROXY_PERMISSION") GTEST_SKIP() << error.what();
      throw;
    }
  }
  IfacePorts open(const std::string& interface, Delivery delivery) const {
    IfaceConfig config;
    config.interface = interface;
    config.delivery = delivery;
    return cluster_.open(config);
  }
  /// A transfer from one workload to the other; how many of its frames left by the second one's interface.
  unsigned left_by_interface(Delivery delivery) const {
    const auto a = open("w0", delivery);
    const auto b = open("s0", delivery);
    const Sniffer sniffer(cluster_.node, "s0");
    test::RunningBridge bridge(test::Pairs{{&a.wire->queue(0), &b.wire->queue(0)}});
    EXPECT_TRUE(test::transfer(cluster_.workload, cluster_.server, "10.8.0.2", 1 << 20));
    EXPECT_TRUE(test::transfer(cluster_.workload, cluster_.server, "fd08::2", 1 << 20));
    return sniffer.left();
  }
  Cluster cluster_;
};

TEST_F(IfaceDelivery, GoesStraightToAVethsOtherEnd) { EXPECT_EQ(left_by_interface(Delivery::peer), 0u); }

TEST_F(IfaceDelivery, GoesByTheInterfaceWhenTold) { EXPECT_GT(left_by_interface(Delivery::device), 0u); }

TEST_F(IfaceDelivery, AQueueingDisciplineIsNotPassedBy) {
  ASSERT_TRUE(cluster_.node.run("tc qdisc add dev s0 root pfifo limit 1000"));
  EXPECT_GT(left_by_interface(Delivery::peer), 0u);
}

TEST_F(IfaceDelivery, AnXdpProgramIsNotPassedBy) {
  const Fd program = load_xdp_pass();
  ASSERT_TRUE(program) << strerror(errno);
  ASSERT_EQ(attach_xdp(cluster_.server, "s1", program), 0);
  EXPECT_GT(left_by_interface(Delivery::peer), 0u);
}

TEST_F(IfaceDelivery, WhatIsForAnotherMacIsNotTakenForTheWorkloads) {
  const auto a = open("w0", Delivery::peer);
  const auto b = open("s0", Delivery::peer);
  ASSERT_TRUE(cluster_.workload.run("ip neigh replace 10.8.0.2 lladdr 02:00:00:00:00:99 dev w1"));
  const Sniffer sniffer(cluster_.node, "s0");
  test::RunningBridge bridge(test::Pairs{{&a.wire->queue(0), &b.wire->queue(0)}});
  // It is sent, and its receiver judges it. What comes before the bridge runs, or while a loaded machine holds it up
  // for longer than the watchdog waits, is the kernel's, and goes nowhere: it is sent again.
  unsigned left = 0;
  for (int i = 0; left == 0 && i < 20; ++i) {
    EXPECT_FALSE(test::reaches(cluster_.workload, cluster_.server, "10.8.0.2", 1000));
    left = sniffer.left();
  }
  EXPECT_GT(left, 0u);
}

}  // namespace
}  // namespace flatproxy
