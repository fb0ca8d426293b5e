// What becomes of an interface under traffic when its process is killed or stopped.
#include <sys/wait.h>

#include <tuple>

#include "iface_fixture.h"
#include "port/bpf_pins.h"
#include "port/iface_unblock.h"
#include "port/netlink_tc.h"

namespace flatproxy {
namespace {

using namespace std::chrono_literals;
using test::Cluster;
using test::NodeProcess;

constexpr Nanoseconds kWatchdog = 200'000'000;
constexpr Nanoseconds kMargin = 20'000'000;

/// Numbered datagrams from the workload to the node's own stack, and which of them arrived.
class Stream {
 public:
  explicit Stream(const Cluster& cluster) {
    socklen_t length;
    const auto node = test::socket_address("10.8.0.254", 6000, &length);
    const auto* to = reinterpret_cast<const sockaddr*>(&node);
    receiver_ = cluster.node.in([] { return Fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); });
    const int room = 8 << 20;
    setsockopt(receiver_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
    EXPECT_EQ(bind(receiver_.get(), to, length), 0);
    sender_ = cluster.workload.in([] { return Fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); });
    EXPECT_EQ(connect(sender_.get(), to, length), 0);
  }
  /// One a millisecond.
  void run(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      const auto number = static_cast<uint32_t>(sent_at_.size());
      sent_at_.push_back(test::monotonic_now());
      [[maybe_unused]] const ssize_t n = send(sender_.get(), &number, sizeof(number), MSG_DONTWAIT);
      std::this_thread::sleep_for(1ms);
    }
  }
  /// Of those sent in [from, to): how many were sent, and how many of them arrived.
  std::pair<unsigned, unsigned> passed(Nanoseconds from, Nanoseconds to) {
    std::this_thread::sleep_for(50ms);  // what is under way
    uint32_t number;
    arrived_.resize(sent_at_.size());
    while (recv(receiver_.get(), &number, sizeof(number), 0) == sizeof(number)) arrived_.at(number) = true;
    std::pair<unsigned, unsigned> counts{};
    for (size_t i = 0; i < sent_at_.size(); ++i) {
      if (sent_at_[i] < from || sent_at_[i] >= to) continue;
      ++counts.first;
      counts.second += arrived_[i];
    }
    return counts;
  }

 private:
  Fd receiver_;
  Fd sender_;
  std::vector<Nanoseconds> sent_at_;
  std::vector<bool> arrived_;
};

class IfaceDeath : public testing::TestWithParam<std::tuple<AttachMode, int>> {
 protected:
  void SetUp() override {
    if (geteuid() != 0 || !cluster_.ready) GTEST_SKIP() << "needs root, network namespaces and iproute2";
    try {
      cluster_.open(config(OnExit::release));
    } catch (const Error& error) {
      if (error.code == "ERR_FLATPROXY_PERMISSION" || error.code == "ERR_FLATPROXY_UNSUPPORTED") {
        GTEST_SKIP() << error.what();
      }
      throw;
    }
    ASSERT_TRUE(cluster_.address_node());
  }
  static int fate() { return std::get<1>(GetParam()); }
  static IfaceConfig config(OnExit on_exit) {
    IfaceConfig c;
    c.interface = "w0";
    c.on_exit = on_exit;
    c.attach = std::get<0>(GetParam());
    return c;
  }
  /// Returns when it has met its fate; a time that was after the last heartbeat.
  static Nanoseconds meet_fate(NodeProcess& process) {
    process.signal_and_wait(fate());
    return test::monotonic_now();
  }
  /// Filters and pins on the interface, and flatproxy's taps.
  std::pair<size_t, size_t> traces() const {
    return cluster_.node.in([] {
      Netlink netlink;
      const uint32_t index = netlink.find_link("w0")->index;
      size_t taps = 0;
      for (const std::string name : {"flatp0", "flatp1", "flatp2", "flatp3", "flatp4", "flatp5"}) {
        taps += netlink.find_link(name).has_value();
      }
      return std::pair{find_leftovers(netlink, index).filters.size() + pins_of(index).size(), taps};
    });
  }
  Cluster cluster_;
};

TEST_P(IfaceDeath, TheKernelHasTheInterfaceBackWithinTheWatchdog) {
  NodeProcess process(cluster_, config(OnExit::release));
  Stream stream(cluster_);
  const Nanoseconds start = test::monotonic_now();
  stream.run(100);
  const Nanoseconds died = meet_fate(process);
  stream.run(400);
  const auto before = stream.passed(start + kMargin, died - kMargin);
  EXPECT_GT(before.second, before.first / 2) << "the process had carried them";
  // A killed process's tap is gone at once, a stopped one's heartbeat ages.
  const auto after = stream.passed(died + (fate() == SIGKILL ? 0 : kWatchdog) + kMargin, kNever);
  EXPECT_GT(after.first, 50u);
  EXPECT_EQ(after.second, after.first);
}

TEST_P(IfaceDeath, NothingPassesABlockAfterTheWatchdog) {
  NodeProcess process(cluster_, config(OnExit::block));
  Stream stream(cluster_);
  stream.run(100);
  const Nanoseconds died = meet_fate(process);
  stream.run(400);
  EXPECT_GT(stream.passed(0, died).second, 20u);
  const auto after = stream.passed(died + kWatchdog + kMargin, kNever);
  EXPECT_GT(after.first, 50u);
  EXPECT_EQ(after.second, 0u);
  process.end(SIGKILL);
  EXPECT_EQ(cluster_.node.in([] { return unblock("w0"); }), 2u);
}

TEST_P(IfaceDeath, TheNextStartStandsAlone) {
  for (const OnExit on_exit : {OnExit::release, OnExit::block}) {
    std::pair<size_t, size_t> of_one;
    {
      NodeProcess process(cluster_, config(on_exit));
      of_one = traces();
      EXPECT_EQ(of_one.second, 2u);
      Stream stream(cluster_);
      stream.run(50);
      meet_fate(process);
      stream.run(50);
    }
    const auto next = cluster_.open(config(on_exit));
    EXPECT_EQ(traces(), of_one) << "its own taps, stubs and pins, and none of the dead process";
  }
  EXPECT_EQ(cluster_.node.in([] { return unblock("w0"); }), 2u);
}

INSTANTIATE_TEST_SUITE_P(By, IfaceDeath,
                         testing::Combine(testing::Values(AttachMode::tcx, AttachMode::clsact),
                                          testing::Values(SIGKILL, SIGSTOP)),
                         [](const auto& fate) {
                           return std::string(std::get<0>(fate.param) == AttachMode::tcx ? "tcx" : "clsact") +
                                  (std::get<1>(fate.param) == SIGKILL ? "_killed" : "_stopped");
                         });

}  // namespace
}  // namespace flatproxy
