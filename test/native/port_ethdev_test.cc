#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "packet/error.h"
#include "port/ethdev.h"
#include "port_frames.h"

// Real DPDK devices: in memory, between processes, and on veth pairs, which need root.
namespace flatproxy {
namespace {

using namespace port_test;
using Clock = std::chrono::steady_clock;

bool run(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }

class Ethdev : public testing::Test {
 protected:
  std::shared_ptr<Port> open(const std::string& devargs, unsigned lanes = 1) {
    PortInfo info;
    info.name = "test";
    return open_ethdev(info, devargs, lanes);
  }
  void send(Port& port, const Bytes& bytes) {
    Burst burst;
    burst.push(chain_of(bytes, buffers, random));
    port.queue(0).send(context, burst);
    EXPECT_EQ(burst.count, 0u);
    for (Segment* frame : burst) release(frame);
  }
  /// The first frame of that length within two seconds.
  Segment* receive(Port& port, size_t length) {
    const auto end = Clock::now() + std::chrono::seconds(2);
    while (Clock::now() < end) {
      Burst burst;
      port.queue(0).receive(context, burst);
      Segment* found = nullptr;
      for (Segment* frame : burst) {
        if (found == nullptr && frame->frame_length == length) {
          found = frame;
        } else {
          release(frame);
        }
      }
      if (found != nullptr) return found;
    }
    return nullptr;
  }
  void exchange(Port& a, Port& b) {
    for (const uint32_t payload : {18u, 500u, 1400u}) {
      const Bytes bytes = udp_bytes(payload, random);
      send(a, bytes);
      Segment* frame = receive(b, bytes.size());
      ASSERT_NE(frame, nullptr) << payload;
      EXPECT_EQ(bytes_of(frame), bytes);
      Burst back;  // a frame of the port's own pool
      frame->data[0] ^= 1;
      back.push(frame);
      b.queue(0).send(context, back);
      ASSERT_EQ(back.count, 0u);
      Segment* returned = receive(a, bytes.size());
      ASSERT_NE(returned, nullptr) << payload;
      release(returned);
    }
  }

  Random random{1};
  Buffers buffers{4096, 256};
  QueueContext context{buffers, 0};
};

TEST_F(Ethdev, ARingGivesBackWhatItIsGiven) {
  auto port = open("net_ring_test0");
  const Bytes bytes = udp_bytes(100, random);
  for (int i = 0; i < 10000; ++i) {
    send(*port, bytes);
    Segment* frame = receive(*port, bytes.size());
    ASSERT_NE(frame, nullptr);
    Burst burst;
    burst.push(frame);
    port->queue(0).send(context, burst);
    frame = receive(*port, bytes.size());
    ASSERT_NE(frame, nullptr);
    release(frame);
  }
  EXPECT_EQ(port->queue(0).wait_fd(), -1);
}

TEST_F(Ethdev, LargeFramesAreCutForADeviceWithoutOffloads) {
  auto port = open("net_ring_test1");
  EXPECT_FALSE(port->info().offloads.tso4);
  TcpShape s;
  s.payload = 10000;
  Burst burst;
  burst.push(chain_of(tcp_bytes(s, random), buffers, random));
  make_large(burst.frames[0], s, 1000);
  make_needy(burst.frames[0], s);
  port->queue(0).send(context, burst);
  ASSERT_EQ(burst.count, 0u);
  port->queue(0).receive(context, burst);
  EXPECT_EQ(burst.count, 10u);
  for (Segment* frame : burst) {
    EXPECT_TRUE(l4_checksum_right(bytes_of(frame), 14, 34, false, 6));
    release(frame);
  }
}

TEST_F(Ethdev, AFullDeviceLeavesFramesInTheBurst) {
  auto port = open("net_ring_test2");
  uint32_t sent = 0;
  for (uint32_t i = 0; i < 40; ++i) {
    Burst burst;
    while (!burst.full()) burst.push(frame_of(udp_bytes(20, random), buffers));
    port->queue(0).send(context, burst);
    sent += Burst::kSize - burst.count;
    for (Segment* frame : burst) release(frame);
  }
  EXPECT_GT(sent, 100u);
  EXPECT_LT(sent, 40u * Burst::kSize);
}

TEST_F(Ethdev, AFrameOutlivesItsPort) {
  auto port = open("net_null_test0,size=64");
  Burst burst;
  port->queue(0).receive(context, burst);
  ASSERT_GT(burst.count, 0u);
  port.reset();
  for (Segment* frame : burst) {
    frame->data[0] = 1;
    release(frame);
  }
}

TEST_F(Ethdev, FailuresAreTyped) {
  for (const char* devargs : {"net_no_such_driver0", "net_af_packet_x,iface=nonexistent0", "0000:ff:1f.7"}) {
    try {
      open(devargs);
      ADD_FAILURE() << devargs;
    } catch (const Error& error) {
      EXPECT_EQ(error.code.rfind("ERR_FLATPROXY_", 0), 0u);
      EXPECT_FALSE(error.remedy.empty());
    }
  }
  EXPECT_NO_THROW(open("net_null_test1"));
}

TEST_F(Ethdev, MemifBetweenTwoProcesses) {
  char folder[] = "/tmp/flatproxy-memif-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string arguments = ",socket-abstract=no,socket=" + std::string(folder) + "/s";
  // The other process is this test again, as the client that echoes.
  const std::string echo = "FLATPROXY_MEMIF_ECHO='net_memif_c,role=client" + arguments + "' timeout 20 /proc/" +
                           std::to_string(getpid()) +
                           "/exe --gtest_filter=Ethdev.DISABLED_Echo --gtest_also_run_disabled_tests";
  auto port = open("net_memif_s,role=server" + arguments);
  ASSERT_TRUE(run(echo + " &"));
  const Bytes bytes = udp_bytes(300, random);
  Segment* frame = nullptr;
  for (int i = 0; i < 5 && frame == nullptr; ++i) {
    Burst burst;  // dropped until the peer is there
    burst.push(frame_of(bytes, buffers));
    port->queue(0).send(context, burst);
    for (Segment* unsent : burst) release(unsent);
    frame = receive(*port, bytes.size());
  }
  ASSERT_NE(frame, nullptr);
  EXPECT_EQ(bytes_of(frame), bytes);
  release(frame);
  run("rm -rf " + std::string(folder));
}

TEST_F(Ethdev, DISABLED_Echo) {
  const char* devargs = std::getenv("FLATPROXY_MEMIF_ECHO");
  ASSERT_NE(devargs, nullptr);
  auto port = open(devargs);
  for (const auto end = Clock::now() + std::chrono::seconds(12); Clock::now() < end;) {
    Burst burst;
    port->queue(0).receive(context, burst);
    port->queue(0).send(context, burst);
    for (Segment* frame : burst) release(frame);
  }
}

/// Two veth ends in a network namespace of the test's own.
class EthdevVeth : public Ethdev {
 protected:
  void SetUp() override {
    outside = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "a network namespace needs root";
    ASSERT_TRUE(run("ip link add fpte0 type veth peer name fpte1"));
    for (const char* end : {"fpte0", "fpte1"}) {
      run(std::string("sysctl -w net.ipv6.conf.") + end + ".disable_ipv6=1");
      run(std::string("ethtool -K ") + end + " tx off tso off gso off");
      run(std::string("ip link set ") + end + " up");
    }
  }
  void TearDown() override {
    setns(outside, CLONE_NEWNET);
    close(outside);
  }
  int outside = -1;

  void wake_up(Port& a, Port& b) {
    const int fd = b.queue(0).wait_fd();
    ASSERT_GE(fd, 0);
    pollfd p{fd, POLLIN, 0};
    for (int i = 0; i < 50; ++i) {
      const Bytes bytes = udp_bytes(60, random);
      ASSERT_TRUE(b.queue(0).arm());
      ASSERT_EQ(poll(&p, 1, 0), 0) << "quiet";
      send(a, bytes);
      ASSERT_EQ(poll(&p, 1, 1000), 1) << "wakes";
      b.queue(0).disarm();
      Segment* frame = receive(b, bytes.size());
      ASSERT_NE(frame, nullptr);
      release(frame);
    }
  }
};

class EthdevGone : public EthdevVeth, public testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    EthdevVeth::SetUp();
    if (IsSkipped()) return;
    try {
      open(GetParam() + "_f,iface=fpte0");
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
  }
  /// The kernel gives an interface its queue up to a second after it came up, and drops frames until then.
  bool passes(Port& a, Port& b) {
    for (int i = 0; i < 5; ++i) {
      const Bytes bytes = udp_bytes(200, random);
      send(a, bytes);
      if (Segment* frame = receive(b, bytes.size())) {
        release(frame);
        return true;
      }
    }
    return false;
  }
  /// How many of one were sent.
  uint32_t try_to_send(Port& port) {
    Burst burst;
    burst.push(frame_of(udp_bytes(60, random), buffers));
    port.queue(0).send(context, burst);
    const uint32_t left = burst.count;
    for (Segment* frame : burst) release(frame);
    return 1 - left;
  }
};

TEST_F(EthdevVeth, AfPacket) {
  auto a = open("net_af_packet_a,iface=fpte0");
  auto b = open("net_af_packet_b,iface=fpte1");
  exchange(*a, *b);
  wake_up(*a, *b);
}

TEST_F(EthdevVeth, MoreLanesThanQueuesShareThem) {
  auto a = open("net_af_packet_c,iface=fpte0", 3);
  auto b = open("net_af_packet_d,iface=fpte1");
  for (unsigned lane = 0; lane < 3; ++lane) {
    const Bytes bytes = udp_bytes(100 + lane, random);
    Burst burst;
    burst.push(frame_of(bytes, buffers));
    a->queue(lane).send(context, burst);
    EXPECT_EQ(burst.count, 0u);
    Segment* frame = receive(*b, bytes.size());
    ASSERT_NE(frame, nullptr);
    release(frame);
    EXPECT_GE(a->queue(lane).wait_fd(), 0);
  }
}

TEST_F(EthdevVeth, AfXdp) {
  std::shared_ptr<Port> a, b;
  try {
    a = open("net_af_xdp_a,iface=fpte0");
    b = open("net_af_xdp_b,iface=fpte1");
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  exchange(*a, *b);
  wake_up(*a, *b);
}

/// Down, up, down and deleted: told within a beat, and nobody waits for it.
TEST_P(EthdevGone, IsNoticed) {
  auto a = open(GetParam() + "_g,iface=fpte0");
  auto b = open(GetParam() + "_h,iface=fpte1");
  PortQueue& queue = a->queue(0);
  Nanoseconds now = 0;
  const auto beat = [&] { queue.beat(now += 60'000'000); };
  ASSERT_TRUE(queue.wants_heartbeat());
  beat();
  EXPECT_TRUE(queue.up());
  EXPECT_EQ(a->loss_reason(), "");
  ASSERT_TRUE(run("ip link set fpte0 down"));
  for (unsigned i = 0; i < 2000; ++i) try_to_send(*a);  // more than the ring holds, before it is told
  beat();
  EXPECT_FALSE(queue.up());
  EXPECT_EQ(a->loss_reason(), "fpte0: the interface is down");
  EXPECT_EQ(try_to_send(*a), 0u);
  ASSERT_TRUE(run("ip link set fpte0 up"));
  beat();
  EXPECT_TRUE(queue.up());
  ASSERT_TRUE(passes(*a, *b));
  exchange(*a, *b);
  ASSERT_TRUE(run("ip link del fpte0"));
  beat();
  EXPECT_FALSE(queue.up());
  EXPECT_NE(a->loss_reason().find("fpte0: the interface was deleted"), std::string::npos);
  EXPECT_EQ(try_to_send(*a), 0u);
  a.reset();
  b.reset();
  EXPECT_THROW(open(GetParam() + "_g,iface=fpte0"), Error);
}

INSTANTIATE_TEST_SUITE_P(Driver, EthdevGone, testing::Values("net_af_packet", "net_af_xdp"),
                         [](const auto& driver) { return driver.param; });

TEST_F(EthdevVeth, PortsComeAndGo) {
  for (int i = 0; i < 20; ++i) {
    for (const char* driver : {"net_af_packet_e", "net_af_xdp_e"}) {
      try {
        auto a = open(std::string(driver) + ",iface=fpte0");
        send(*a, udp_bytes(60, random));
      } catch (const Error& error) {
        if (error.code == "ERR_FLATPROXY_NOT_FOUND") GTEST_SKIP() << error.what();
        throw;
      }
    }
  }
}

}  // namespace
}  // namespace flatproxy
