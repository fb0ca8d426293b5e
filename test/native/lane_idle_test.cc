// The first packet after a time without any: how long a sleeping lane takes to forward it.
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "config/plan.h"
#include "iface_fixture.h"
#include "lane/engine.h"
#include "packet/frame.h"
#include "port/memory.h"
#include "port/tap.h"
#include "support/frames.h"
#include "support/plans.h"

namespace flatproxy {
namespace {

using test::Netns;
using namespace std::chrono_literals;

constexpr const char* kClient = "10.0.0.2";
constexpr const char* kServer = "10.0.1.2";
constexpr Nanoseconds kMost = 200'000;
#ifdef FLATPROXY_SANITIZED
constexpr Nanoseconds kOfLane = 2'000'000;
#else
constexpr Nanoseconds kOfLane = 100'000;
#endif
constexpr unsigned kSamples = 200;

void pin(unsigned core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof(set), &set);
}

/// What brings packets to port 0 and takes them at port 1.
class Way {
 public:
  virtual ~Way() = default;
  virtual std::shared_ptr<Port> open(uint16_t port) = 0;
  virtual void send() = 0;
  virtual bool arrived() = 0;
};

class MemoryWay : public Way {
 public:
  ~MemoryWay() override { arrived(); }
  std::shared_ptr<Port> open(uint16_t port) override {
    PortInfo info;
    info.id = port;
    info.mac = test::own_mac(port);
    return ports_[port] = std::make_shared<MemoryPort>(info, 1);
  }
  void send() override {
    inject(0, test::Frame()
                  .from(kClient, 7000)
                  .to(kServer, 7000)
                  .udp()
                  .macs(test::peer_mac(0), test::own_mac(0))
                  .build(buffers_));
  }
  bool arrived() override {
    Segment* frames[16];
    bool came = false;
    const uint32_t n = ports_[1]->take_burst(0, frames, 16);
    for (uint32_t i = 0; i < n; ++i) {
      Segment* answer = test::neighbor_answer(frames[i], test::peer_mac(1), buffers_);
      came |= answer == nullptr;
      if (answer != nullptr) inject(1, answer);
      release(frames[i]);
    }
    return came;
  }

 private:
  void inject(unsigned port, Segment* frame) {
    mark_away(frame);
    ports_[port]->inject(0, frame);
  }
  Buffers buffers_{256, 16};
  std::shared_ptr<MemoryPort> ports_[2];
};

/// Datagrams between two kernels' stacks.
class KernelWay : public Way {
 public:
  void connect_ends(const Netns& client, const Netns& server) {
    const auto end = [](const Netns& netns, const std::string& ip, auto act) {
      socklen_t length;
      const auto address = test::socket_address(ip, 7000, &length);
      Fd fd = netns.in([] { return Fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); });
      EXPECT_EQ(act(fd.get(), reinterpret_cast<const sockaddr*>(&address), length), 0) << strerror(errno);
      return fd;
    };
    receiver_ = end(server, kServer, ::bind);
    sender_ = end(client, kServer, ::connect);
  }
  void send() override { EXPECT_EQ(::send(sender_.get(), "x", 1, 0), 1) << strerror(errno); }
  bool arrived() override {
    char byte;
    return recv(receiver_.get(), &byte, 1, 0) == 1;
  }

 private:
  Fd sender_;
  Fd receiver_;
};

class TapWay : public KernelWay {
 public:
  std::shared_ptr<Port> open(uint16_t port) override {
    const Netns& netns = port == 0 ? client_ : server_;
    const TapConfig config = {
        .name = "fpi" + std::to_string(port), .netns = netns.path(), .addresses = {prefix(port)}, .routes = {}};
    PortInfo info;
    info.id = port;
    auto tap = open_tap(info, config, 1);
    EXPECT_TRUE(netns.run("ip route add default dev " + config.name + " via 10.0." + std::to_string(port) + ".1"));
    if (port == 1) connect_ends(client_, server_);
    return tap;
  }

 private:
  static wire::Prefix prefix(uint16_t port) {
    uint32_t raw;
    inet_pton(AF_INET, port == 0 ? kClient : kServer, &raw);
    return {wire::Address::from_v4(&raw), 24};
  }
  Netns client_, server_;
};

class IfaceWay : public KernelWay {
 public:
  std::shared_ptr<Port> open(uint16_t port) override {
    const std::string n = std::to_string(port);
    const Netns& netns = port == 0 ? client_ : server_;
    EXPECT_TRUE(node_.run("ip link add w" + n + " type veth peer name e" + n + " && ip link set e" + n + " netns " +
                          netns.path() + " && ip link set w" + n + " up"));
    EXPECT_TRUE(netns.run("ip link set e" + n + " up && ip addr add 10.0." + n + ".2/24 dev e" + n +
                          " && ip route add default via 10.0." + n + ".1"));
    IfaceConfig config;
    config.interface = "w" + n;
    PortInfo info;
    info.id = port;
    ports_[port] = node_.in([&] { return open_iface(info, {}, config, 1); });
    if (port == 1) connect_ends(client_, server_);
    return ports_[port].wire;
  }

 private:
  Netns client_, node_, server_;
  IfacePorts ports_[2];
};

/// No lane at all: a thread on its core that the kernel wakes. What this takes, no lane can save.
class BareWay : public Way {
 public:
  BareWay() : signal_(eventfd(0, EFD_CLOEXEC)), thread_([this] { wait(); }) {}
  ~BareWay() override {
    ending_ = true;
    send();
    thread_.join();
  }
  std::shared_ptr<Port> open(uint16_t) override { return nullptr; }
  void send() override { EXPECT_EQ(eventfd_write(signal_.get(), 1), 0); }
  bool arrived() override { return woken_.load(std::memory_order_relaxed) && woken_.exchange(false); }

 private:
  void wait() {
    pin(0);
    eventfd_t count;
    while (!ending_ && eventfd_read(signal_.get(), &count) == 0) woken_ = true;
  }
  Fd signal_;
  std::atomic<bool> woken_{false};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

/// Waits for it without sleeping, as a sleeper's own waking would be counted.
Nanoseconds forward_one(Way& way) {
  const Nanoseconds sent = test::monotonic_now();
  way.send();
  while (!way.arrived()) {
    if (test::monotonic_now() - sent > 5'000'000'000) return kNever;
  }
  return test::monotonic_now() - sent;
}

Nanoseconds p99_after_idleness(const char* whose, Way& way) {
  std::vector<Nanoseconds> times;
  for (unsigned i = 0; i < kSamples; ++i) {
    std::this_thread::sleep_for(5ms);
    times.push_back(forward_one(way));
  }
  std::sort(times.begin(), times.end());
  printf("%s: median %.1f us, p99 %.1f us\n", whose, static_cast<double>(times[kSamples / 2]) / 1e3,
         static_cast<double>(times[kSamples * 99 / 100 - 1]) / 1e3);
  return times[kSamples * 99 / 100 - 1];
}

/// Keeps this thread off the lane's core.
class Aside {
 public:
  Aside() {
    sched_getaffinity(0, sizeof(before_), &before_);
    cpu_set_t other = before_;
    CPU_CLR(0, &other);
    sched_setaffinity(0, sizeof(other), &other);
  }
  ~Aside() { sched_setaffinity(0, sizeof(before_), &before_); }

 private:
  cpu_set_t before_;
};

void forwards_the_first_packet_in_time(const std::shared_ptr<Way>& way) {
  const auto open = [&](uint16_t id, const std::string&, const std::string&) { return way->open(id); };
  std::shared_ptr<const Snapshot> snapshot;
  try {
    snapshot = build_snapshot(test::Plan().text(1, true), nullptr, open);
  } catch (const Error& error) {
    if (error.code == "ERR_FLATPROXY_PERMISSION" || error.code == "ERR_FLATPROXY_UNSUPPORTED") {
      GTEST_SKIP() << error.what();
    }
    throw;
  }
  EngineOptions options;
  options.cores = {0};
  options.flow_capacity = 1024;
  options.key = hash_key(5);
  Engine engine(options, snapshot);
  const Aside aside;
  for (int i = 0; i < 3; ++i) ASSERT_NE(forward_one(*way), kNever) << "neighbours are resolved, the flow is there";
  // What else the machine does in a batch is not the lane's: the quietest one tells. A machine that takes long to wake
  // anything at all (a virtual one, whose host is busy) has the lane's own part on top of that.
  Nanoseconds best = kNever;
  Nanoseconds bare = kNever;
  BareWay nobody;
  for (int batch = 0; batch < 8 && best > std::max(kMost, bare + kOfLane); ++batch) {
    best = std::min(best, p99_after_idleness("lane", *way));
    bare = std::min(bare, p99_after_idleness("bare thread", nobody));
  }
  EXPECT_LE(best, std::max(kMost, bare + kOfLane));
}

class LaneIdle : public testing::Test {
 protected:
  void SetUp() override {
    cpu_set_t set;
    sched_getaffinity(0, sizeof(set), &set);
    if (!CPU_ISSET(0, &set) || CPU_COUNT(&set) < 2) GTEST_SKIP() << "needs core 0 for the lane, and another one";
  }
  static bool has_namespaces() { return geteuid() == 0 && Netns(); }
};

TEST_F(LaneIdle, MemoryPortsForwardTheFirstPacketWithin200us) {
  forwards_the_first_packet_in_time(std::make_shared<MemoryWay>());
}

TEST_F(LaneIdle, TapsForwardTheFirstPacketWithin200us) {
  if (!has_namespaces()) GTEST_SKIP() << "needs root and network namespaces";
  forwards_the_first_packet_in_time(std::make_shared<TapWay>());
}

TEST_F(LaneIdle, InterfacesForwardTheFirstPacketWithin200us) {
  if (!has_namespaces()) GTEST_SKIP() << "needs root, network namespaces and iproute2";
  forwards_the_first_packet_in_time(std::make_shared<IfaceWay>());
}

}  // namespace
}  // namespace flatproxy
