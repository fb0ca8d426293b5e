#include "port/iface.h"

#include "iface_fixture.h"
#include "port/bpf_pins.h"
#include "port/iface_unblock.h"
#include "port/netlink_tc.h"
#include "port/steer_load.h"

namespace flatproxy {
namespace {

using namespace std::chrono_literals;
using test::Cluster;
using test::NodeProcess;
using test::reaches;

constexpr auto kWatchdog = 200ms;

std::string code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_FALSE(error.remedy.empty()) << error.what();
    return error.code;
  }
  return "none";
}

class Iface : public testing::TestWithParam<AttachMode> {
 protected:
  void SetUp() override {
    if (geteuid() != 0 || !cluster_.ready) GTEST_SKIP() << "needs root, network namespaces and iproute2";
    try {
      cluster_.open(config());
    } catch (const Error& error) {
      if (error.code == "ERR_FLATPROXY_PERMISSION") GTEST_SKIP() << error.what();
      if (error.code == "ERR_FLATPROXY_UNSUPPORTED" && GetParam() == AttachMode::tcx) GTEST_SKIP() << error.what();
      throw;
    }
    ASSERT_TRUE(cluster_.address_node());
  }
  IfaceConfig config(OnExit on_exit = OnExit::release, const std::string& interface = "w0") const {
    IfaceConfig c;
    c.interface = interface;
    c.on_exit = on_exit;
    c.attach = GetParam();
    return c;
  }
  bool probe(int milliseconds = 1000) const {
    return reaches(cluster_.node, cluster_.workload, "10.8.0.1", milliseconds);
  }
  size_t leftovers() const {
    return cluster_.node.in([] {
      Netlink netlink;
      const uint32_t index = netlink.find_link("w0")->index;
      return find_leftovers(netlink, index).filters.size() + pins_of(index).size();
    });
  }
  bool untouched() const {
    return leftovers() == 0 && !cluster_.node.run("ip link | grep flatp") &&
           !cluster_.node.run("tc qdisc show dev w0 | grep clsact");
  }
  Cluster cluster_;
};

TEST_P(Iface, CarriesTheKernelsTcpWholeBothFamilies) {
  const auto a = cluster_.open(config());
  const auto b = cluster_.open(config(OnExit::release, "s0"));
  test::RunningBridge bridge(test::Pairs{{&a.wire->queue(0), &b.wire->queue(0)}});
  EXPECT_TRUE(test::transfer(cluster_.workload, cluster_.server, "10.8.0.2", 64 << 20));
  EXPECT_TRUE(test::transfer(cluster_.server, cluster_.workload, "fd08::1", 64 << 20));
  EXPECT_GT(bridge.stop().longest(), 60000u) << "large frames cross whole";
  EXPECT_EQ(bridge.stop().buffers().small.in_use(), 0u);
}

TEST_P(Iface, SeveralLanesServeOneInterface) {
  const auto a = cluster_.open(config(), 4);
  const auto b = cluster_.open(config(OnExit::release, "s0"), 4);
  test::Pairs pairs;
  for (unsigned lane = 0; lane < 4; ++lane) pairs.push_back({&a.wire->queue(lane), &b.wire->queue(lane)});
  test::RunningBridge bridge(pairs);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(test::transfer(cluster_.workload, cluster_.server, "10.8.0.2", 1 << 20));
}

TEST_P(Iface, TheNodesOwnStackIsAPort) {
  const auto ports = cluster_.open(config());
  test::RunningBridge bridge(test::Pairs{{&ports.wire->queue(0), &ports.host->queue(0)}});
  EXPECT_TRUE(probe());
  EXPECT_TRUE(test::transfer(cluster_.node, cluster_.workload, "10.8.0.1", 8 << 20));
  EXPECT_TRUE(test::transfer(cluster_.workload, cluster_.node, "10.8.0.254", 8 << 20));
  EXPECT_TRUE(test::transfer(cluster_.node, cluster_.workload, "fd08::1", 8 << 20));
  EXPECT_GT(bridge.stop().frames(), 100u) << "all of it crossed the ports";
}

TEST_P(Iface, WithoutAHostPortTheNodeSendsByItself) {
  auto ports = cluster_.open(config());
  ports.host.reset();
  const auto other = cluster_.open(config(OnExit::release, "s0"));
  test::RunningBridge bridge(test::Pairs{{&ports.wire->queue(0), &other.wire->queue(0)}});
  std::this_thread::sleep_for(20ms);
  for (const std::string ip : {"10.8.0.1", "fd08::1"}) {
    socklen_t length;
    const auto to = test::socket_address(ip, 6000, &length);
    const Fd receiver = cluster_.workload.in([&] {
      Fd fd(socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), length), 0);
      return fd;
    });
    cluster_.node.in([&] {
      const Fd fd(socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      EXPECT_EQ(sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), length), 1);
    });
    pollfd wait{receiver.get(), POLLIN, 0};
    EXPECT_EQ(poll(&wait, 1, 3000), 1) << ip << ": sent, and its neighbour was resolved";
  }
}

TEST_P(Iface, DescribesTheInterfaceAndLeavesNothingBehind) {
  {
    const auto ports = cluster_.open(config());
    const LinkInfo link = *test::netlink_in(cluster_.node).find_link("w0");
    const LinkInfo peer = *test::netlink_in(cluster_.workload).find_link("w1");
    EXPECT_EQ(ports.wire->info().mac, link.mac);
    EXPECT_EQ(ports.host->info().mac, peer.mac) << "the kernel's neighbour entries stay right";
    EXPECT_EQ(ports.wire->info().mtu, 1500);
    EXPECT_EQ(ports.claims, nullptr);
    EXPECT_GE(ports.kernel_addresses.size(), 2u);
    EXPECT_TRUE(ports.wire->queue(0).wants_heartbeat());
    EXPECT_TRUE(cluster_.node.run("ip -d link show w0 | grep 'allmulti 1'"));
    EXPECT_FALSE(untouched());
  }
  EXPECT_TRUE(cluster_.node.run("ip -d link show w0 | grep 'allmulti 0'"));
  EXPECT_TRUE(untouched());
}

TEST_P(Iface, WithoutAHeartbeatTheKernelHasTheInterface) {
  const auto ports = cluster_.open(config());
  EXPECT_TRUE(probe()) << "no lane has ever beaten";
  ports.wire->queue(0).beat(test::monotonic_now());
  EXPECT_FALSE(probe(100)) << "taken, and nobody forwards";
  EXPECT_TRUE(probe(2000)) << "the watchdog has ended it";
}

TEST_P(Iface, OneSilentLaneIsADeadPort) {
  const auto ports = cluster_.open(config(), 2);
  ports.wire->queue(0).beat(test::monotonic_now());
  EXPECT_TRUE(probe());
}

TEST_P(Iface, KilledItGivesTheInterfaceBack) {
  NodeProcess process(cluster_, config());
  EXPECT_TRUE(probe());
  process.end(SIGKILL);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(probe());
  EXPECT_LT(std::chrono::steady_clock::now() - start, kWatchdog);
  EXPECT_FALSE(cluster_.node.run("ip link | grep flatp"));
  { const auto next = cluster_.open(config()); }
  EXPECT_TRUE(untouched()) << "the next start removes what the dead process left";
}

TEST_P(Iface, StoppedItGivesTheInterfaceBackUntilItContinues) {
  NodeProcess process(cluster_, config());
  process.signal(SIGSTOP);
  std::this_thread::sleep_for(kWatchdog + 20ms);
  EXPECT_TRUE(probe(100));
  EXPECT_TRUE(test::transfer(cluster_.node, cluster_.workload, "10.8.0.1", 8 << 20));
  process.signal(SIGCONT);
  EXPECT_TRUE(test::transfer(cluster_.node, cluster_.workload, "10.8.0.1", 8 << 20));
}

TEST_P(Iface, KilledItBlocksUntilUnblocked) {
  NodeProcess process(cluster_, config(OnExit::block));
  EXPECT_TRUE(probe());
  EXPECT_EQ(code_of([&] { cluster_.node.in([] { unblock("w0"); }); }), "ERR_FLATPROXY_IN_USE");
  process.end(SIGKILL);
  std::this_thread::sleep_for(kWatchdog + 20ms);
  EXPECT_FALSE(probe(400));
  EXPECT_FALSE(reaches(cluster_.workload, cluster_.node, "10.8.0.254", 300));
  EXPECT_EQ(cluster_.node.in([] { return unblock("w0"); }), 2u);
  EXPECT_TRUE(probe(3000));
  EXPECT_TRUE(untouched());
}

TEST_P(Iface, StoppedItBlocks) {
  NodeProcess process(cluster_, config(OnExit::block));
  process.signal(SIGSTOP);
  std::this_thread::sleep_for(kWatchdog + 20ms);
  EXPECT_FALSE(probe(300));
  process.signal(SIGCONT);
  EXPECT_TRUE(probe(3000));
  process.end(SIGKILL);
  EXPECT_EQ(cluster_.node.in([] { return unblock("w0"); }), 2u);
}

TEST_P(Iface, TheNextStartTakesABlockOver) {
  { NodeProcess process(cluster_, config(OnExit::block)); }
  EXPECT_EQ(leftovers(), 2u);
  {
    NodeProcess process(cluster_, config(OnExit::block));
    EXPECT_TRUE(probe());
    EXPECT_EQ(leftovers(), 2u);
  }
  {
    NodeProcess process(cluster_, config(OnExit::release));
    EXPECT_TRUE(probe());
  }
  EXPECT_TRUE(probe());
  { const auto ports = cluster_.open(config()); }
  EXPECT_TRUE(untouched());
}

TEST_P(Iface, ABlockOutlivesTheClosedPort) {
  { const auto ports = cluster_.open(config(OnExit::block)); }
  EXPECT_FALSE(probe(300));
  EXPECT_EQ(cluster_.node.in([] { return unblock("w0"); }), 2u);
  EXPECT_TRUE(probe(3000));
}

TEST_P(Iface, LeavesOthersFiltersAlone) {
  cluster_.node.in([&] {
    Netlink netlink;
    const LinkInfo link = *netlink.find_link("w0");
    ASSERT_TRUE(add_clsact(netlink, link.index));
    steer_loaded other{};
    const steer_config nothing{};
    ASSERT_EQ(steer_load(&other, &nothing, 1, nullptr, 0), 0);
    add_filter(netlink, link.index, TcHook::ingress, other.stub_ingress, "somebody-else's");
    { const auto ports = open_iface({}, {}, config(), 1); }
    const auto left = filters(netlink, link.index);
    ASSERT_EQ(left.size(), 1u);
    EXPECT_EQ(left[0].name, "somebody-else's");
    steer_unload(&other);
  });
  EXPECT_TRUE(cluster_.node.run("tc qdisc show dev w0 | grep clsact"));
}

TEST_P(Iface, NoticesThatTheInterfaceIsDownOrGone) {
  const auto ports = cluster_.open(config());
  Nanoseconds now = test::monotonic_now();
  const auto beat = [&] { ports.wire->queue(0).beat(now += 60'000'000); };
  beat();
  EXPECT_TRUE(ports.wire->queue(0).up() && ports.host->queue(0).up());
  ASSERT_TRUE(cluster_.node.run("ip link set w0 down"));
  beat();
  EXPECT_FALSE(ports.wire->queue(0).up() || ports.host->queue(0).up());
  EXPECT_NE(ports.wire->loss_reason().find("down"), std::string::npos);
  ASSERT_TRUE(cluster_.node.run("ip link set w0 up"));
  beat();
  EXPECT_TRUE(ports.wire->queue(0).up());
  ASSERT_TRUE(cluster_.node.run("ip link del w0"));
  beat();
  EXPECT_FALSE(ports.wire->queue(0).up());
  EXPECT_NE(ports.host->loss_reason().find("deleted"), std::string::npos);
}

TEST_P(Iface, NamesWhatIsWrong) {
  const auto ports = cluster_.open(config());
  EXPECT_EQ(code_of([&] { cluster_.open(config()); }), "ERR_FLATPROXY_IN_USE");
  EXPECT_EQ(code_of([&] { cluster_.open(config(OnExit::release, "nope0")); }), "ERR_FLATPROXY_NOT_FOUND");
  EXPECT_EQ(code_of([&] { cluster_.node.in([] { unblock("nope0"); }); }), "ERR_FLATPROXY_NOT_FOUND");
  const pid_t child = fork();
  if (child == 0) {
    const std::string code = code_of([&] {
      cluster_.node.in([&] {
        if (setresuid(65534, 65534, 65534) == 0) open_iface({}, {}, config(OnExit::release, "s0"), 1);
      });
    });
    _exit(code == "ERR_FLATPROXY_PERMISSION" ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

INSTANTIATE_TEST_SUITE_P(Attach, Iface, testing::Values(AttachMode::tcx, AttachMode::clsact),
                         [](const auto& mode) { return mode.param == AttachMode::tcx ? "tcx" : "clsact"; });

}  // namespace
}  // namespace flatproxy
