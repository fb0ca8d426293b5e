// Lanes on threads of their own: also run under TSAN.
#include "lane/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <thread>

#include "capture/capture_stream.h"
#include "config/plan.h"
#include "packet/error.h"
#include "packet/frame.h"
#include "port/memory.h"
#include "support/frames.h"
#include "support/pcapng.h"
#include "support/plans.h"

namespace flatproxy {
namespace {

using test::Frame;
using Clock = std::chrono::steady_clock;

/// An engine on memory ports, and this thread as everything around it.
class Running {
 public:
  explicit Running(unsigned lanes, bool busy = false,
                   const std::string& services = test::service_json({"10.0.1.11", "10.0.1.12"}, "10.9.9.9", "udp")) {
    const auto open = [&](uint16_t id, const std::string& name, const std::string&) -> std::shared_ptr<Port> {
      PortInfo info;
      info.id = id;
      info.name = name;
      info.mac = test::own_mac(id);
      ports_[id] = std::make_shared<MemoryPort>(info, lanes);
      return ports_[id];
    };
    plan_.services = services;
    auto snapshot = build_snapshot(plan_.text(1, true), nullptr, open);
    EngineOptions options;
    options.cores.assign(lanes, -1);
    options.busy = busy;
    options.flow_capacity = 1024;
    options.key = hash_key(5);
    engine_ = std::make_unique<Engine>(options, snapshot);
  }
  ~Running() {
    engine_.reset();
    for (auto& port : ports_) drain(*port);
  }

  void send(unsigned port, unsigned queue, const Frame& frame) {
    Frame addressed = frame;
    Segment* made = addressed.macs(test::peer_mac(port), test::own_mac(port)).build(buffers_);
    ASSERT_NE(made, nullptr);
    mark_away(made);
    while (!ports_[port]->inject(queue, made)) std::this_thread::yield();
  }
  /// Waits for a frame that is no ARP; answers ARP meanwhile. Empty: none came in time.
  std::string receive(unsigned port, std::chrono::milliseconds patience = std::chrono::milliseconds(5000)) {
    const auto end = Clock::now() + patience;
    do {
      for (unsigned p = 0; p < 2; ++p) pump(p);
      if (!came_[port].empty()) {
        const std::string text = came_[port].front();
        came_[port].erase(came_[port].begin());
        return text;
      }
      std::this_thread::yield();
    } while (Clock::now() < end);
    return {};
  }
  Engine& engine() { return *engine_; }
  uint64_t apply(const std::string& services) {
    plan_.services = services;
    const auto open = [](uint16_t, const std::string&, const std::string&) -> std::shared_ptr<Port> { return nullptr; };
    const Snapshot& now = *engine_->snapshot();
    return engine_->apply(build_snapshot(plan_.text(now.generation + 1, false), &now, open));
  }
  uint64_t count(Reason reason) {
    uint64_t total = 0;
    for (unsigned i = 0; i < engine_->lanes(); ++i) {
      total += engine_->counters(i).reasons[static_cast<size_t>(reason)].packets.read();
    }
    return total;
  }

 private:
  void pump(unsigned port) {
    Segment* frames[64];
    for (unsigned queue = 0; queue < engine_->lanes(); ++queue) {
      const uint32_t n = ports_[port]->take_burst(queue, frames, 64);
      for (uint32_t i = 0; i < n; ++i) {
        if (Segment* answer = test::neighbor_answer(frames[i], test::peer_mac(port), buffers_)) {
          mark_away(answer);
          ports_[port]->inject(queue, answer);
        } else if (test::describe(frames[i]).rfind("ether", 0) != 0) {
          came_[port].push_back(test::describe(frames[i]));
        }
        release(frames[i]);
      }
    }
  }
  static void drain(MemoryPort& port) {
    Segment* frames[64];
    for (unsigned queue = 0; queue < port.queues(); ++queue) {
      EXPECT_EQ(port.take_burst(queue, frames, 64), 0u) << "a frame that would outlive its pool";
    }
  }

  Buffers buffers_{4096, 16};
  test::Plan plan_;
  std::shared_ptr<MemoryPort> ports_[2];
  std::vector<std::string> came_[2];
  std::unique_ptr<Engine> engine_;
};

/// Nothing ever comes; it counts what it hears from its lane.
class Watching : public Port, private PortQueue {
 public:
  explicit Watching(uint16_t id) : Port({}) { info_.id = id; }
  PortQueue& queue(unsigned) override { return *this; }
  bool has_heard() const { return beats_.load() != 0; }

 private:
  void receive(QueueContext&, Burst&) override {}
  void send(QueueContext&, Burst&) override {}
  void beat(Nanoseconds) override { ++beats_; }
  bool wants_heartbeat() const override { return true; }
  std::atomic<unsigned> beats_{0};
};

TEST(EngineStart, PortsHaveHeardFromTheirLaneWhenItRuns) {
  for (int i = 0; i < 50; ++i) {
    std::shared_ptr<Watching> ports[2];
    const auto open = [&](uint16_t id, const std::string&, const std::string&) -> std::shared_ptr<Port> {
      return ports[id] = std::make_shared<Watching>(id);
    };
    EngineOptions options;
    options.cores = {-1};
    options.flow_capacity = 1024;
    const Engine engine(options, build_snapshot(test::Plan().text(1, true), nullptr, open));
    ASSERT_TRUE(ports[0]->has_heard() && ports[1]->has_heard()) << i;
  }
}

class EngineLanes : public ::testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Count, EngineLanes, ::testing::Values(1u, 2u, 4u));

TEST_P(EngineLanes, CarriesFlowsBothWaysFromAnyQueue) {
  const unsigned n = GetParam();
  Running running(n);
  for (uint16_t i = 0; i < 200; ++i) {
    const auto port = static_cast<uint16_t>(2000 + i);
    running.send(0, i % n, Frame().from("10.0.0.2", port).to("10.9.9.9", 80).udp().payload("q"));
    const std::string out = running.receive(1);
    ASSERT_NE(out, "") << i;
    const size_t at = out.find('>') + 1;
    const std::string endpoint = out.substr(at, out.rfind(':') - at);
    running.send(1, (i + 1u) % n, Frame().from(endpoint, 8080).to("10.0.0.2", port).udp().payload("a"));
    ASSERT_EQ(running.receive(0), "10.9.9.9:80>10.0.0.2:" + std::to_string(port) + " udp ttl=63");
  }
  EXPECT_EQ(running.count(Reason::service_forwarded), 400u);
}

TEST_P(EngineLanes, FlowsAreListedWhileTheyRun) {
  const unsigned n = GetParam();
  Running running(n);
  for (uint16_t i = 0; i < 50; ++i) {
    running.send(0, i % n, Frame().from("10.0.0.2", static_cast<uint16_t>(2000 + i)).to("10.9.9.9", 80).udp());
    ASSERT_NE(running.receive(1), "");
  }
  std::map<uint16_t, int> seen;
  for (unsigned lane = 0; lane < n; ++lane) {
    FlowId cursor = 0;
    while (cursor != kNoFlow) {
      std::vector<FlowRecord> page;
      cursor = running.engine().list_flows(lane, cursor, 7, page);
      for (const FlowRecord& flow : page) ++seen[flow.original.source_port];
    }
  }
  EXPECT_EQ(seen.size(), 50u);
  for (const auto& [port, times] : seen) EXPECT_EQ(times, 1) << port;
}

TEST_P(EngineLanes, SnapshotsChangeUnderTraffic) {
  const unsigned n = GetParam();
  Running running(n);
  for (uint16_t i = 0; i < 60; ++i) {
    const std::string last = i % 2 == 0 ? "10.0.1.12" : "10.0.1.13";
    running.apply(test::service_json({"10.0.1.11", last}, "10.9.9.9", "udp"));
    running.send(0, i % n, Frame().from("10.0.0.2", static_cast<uint16_t>(2000 + i)).to("10.9.9.9", 80).udp());
    const std::string out = running.receive(1);
    ASSERT_TRUE(out.find("10.0.1.11") != std::string::npos || out.find(last) != std::string::npos) << out;
  }
}

TEST_P(EngineLanes, CapturesBeginAndEndUnderTraffic) {
  const unsigned n = GetParam();
  Running running(n);
  for (uint16_t round = 0; round < 4; ++round) {
    const auto capture = std::make_shared<LiveCapture>(CaptureOptions{}, n, 0);
    running.engine().begin_capture(capture);
    CaptureStream stream(capture, {}, 0);
    std::vector<uint8_t> bytes;
    std::atomic<bool> done{false};
    std::thread reader([&] {
      while (!done.load()) stream.read(bytes, 1 << 20, 0);
    });
    for (uint16_t i = 0; i < 100; ++i) {
      const auto port = static_cast<uint16_t>(2000 + 100 * round + i);
      running.send(0, i % n, Frame().from("10.0.0.2", port).to("10.9.9.9", 80).udp());
      ASSERT_NE(running.receive(1), "");
    }
    done.store(true);
    reader.join();
    running.engine().end_capture(*capture);
    running.engine().end_capture(*capture);
    stream.read(bytes, 1 << 20, 0);
    const auto blocks = test::read_pcapng(bytes);
    EXPECT_EQ(std::count_if(blocks.begin(), blocks.end(),
                            [](const auto& b) { return b.comment == "forwarded: service_forwarded, exit b"; }),
              100);
    EXPECT_EQ(stream.lost(), 0u);
  }
}

TEST(EngineCaptures, AreSoManyAtOnce) {
  Running running(2);
  const auto make = [] { return std::make_shared<LiveCapture>(CaptureOptions{}, 2, 0); };
  std::vector<std::shared_ptr<LiveCapture>> captures;
  for (size_t i = 0; i < kMaxCaptures; ++i) running.engine().begin_capture(captures.emplace_back(make()));
  EXPECT_THROW(running.engine().begin_capture(make()), Error);
  running.engine().end_capture(*captures[1]);
  running.engine().begin_capture(captures[1] = make());
  EXPECT_THROW(running.engine().begin_capture(make()), Error);
}

TEST_P(EngineLanes, EventsTellOfFlowsAndLoseNoneInTime) {
  const unsigned n = GetParam();
  Running running(n);
  running.engine().want_events(true);
  for (uint16_t i = 0; i < 20; ++i) {
    running.send(0, i % n, Frame().from("10.0.0.2", static_cast<uint16_t>(2000 + i)).to("10.9.9.9", 80).udp());
    ASSERT_NE(running.receive(1), "");
  }
  unsigned opened = 0;
  FlowEvent event;
  for (unsigned lane = 0; lane < n; ++lane) {
    while (running.engine().events(lane).pop(event)) opened += event.kind == FlowEventKind::opened;
    EXPECT_EQ(running.engine().events(lane).lost(), 0u);
  }
  EXPECT_EQ(opened, 20u);
}

TEST(Engine, RefusesNewFlowsWhileItDrains) {
  Running running(1);
  running.send(0, 0, Frame().from("10.0.0.2", 2000).to("10.9.9.9", 80).udp());
  ASSERT_NE(running.receive(1), "");
  running.engine().refuse_new(true);
  EXPECT_FALSE(running.engine().drained());
  running.send(0, 0, Frame().from("10.0.0.2", 2001).to("10.9.9.9", 80).udp());
  EXPECT_EQ(running.receive(0), "10.9.9.9>10.0.0.2 icmp 3/3 ttl=64");
  running.send(0, 0, Frame().from("10.0.0.2", 2000).to("10.9.9.9", 80).udp());
  EXPECT_NE(running.receive(1), "") << "what runs goes on";
  EXPECT_EQ(running.count(Reason::draining), 1u);
}

TEST(Engine, SleepsWhenNothingComesAndWakesForTheFirstPacket) {
  Running running(2);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  running.send(0, 1, Frame().from("10.0.0.2", 2000).to("10.9.9.9", 80).udp());
  EXPECT_NE(running.receive(1), "");
}

TEST(Engine, StartsAndStopsManyTimes) {
  for (int i = 0; i < 10; ++i) {
    Running running(2, i % 2 == 1);
    running.send(0, 0, Frame().from("10.0.0.2", 2000).to("10.9.9.9", 80).udp());
    ASSERT_NE(running.receive(1), "");
  }
}

}  // namespace
}  // namespace flatproxy
