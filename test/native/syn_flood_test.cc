// A SYN flood from random sources, as fast as the lane takes it, in real time: also run under TSAN.
// FLATPROXY_FULL=1: for 10 s.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "config/plan.h"
#include "lane/engine.h"
#include "packet/frame.h"
#include "port/memory.h"
#include "support/frames.h"
#include "support/plans.h"

namespace flatproxy {
namespace {

using test::Frame;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr uint32_t kCapacity = 65'536;
constexpr uint32_t kBuffers = 16'384;
constexpr uint16_t kEstablished = 1000;
constexpr uint16_t kFirstPort = 2000;
constexpr const char* kClient = "10.0.0.2";
constexpr const char* kVip = "10.9.9.9";

// A sanitizer keeps what was freed, and shadows of it: the process grows whatever the code under test does.
#ifdef FLATPROXY_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

size_t resident_bytes() {
  size_t size = 0;
  size_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

/// One lane between memory ports, the flood and the peers of its flows on this thread.
class Flooded : public testing::Test {
 protected:
  Flooded() {
    const auto open = [this](uint16_t id, const std::string& name, const std::string&) -> std::shared_ptr<Port> {
      PortInfo info;
      info.id = id;
      info.name = name;
      info.mac = test::own_mac(id);
      // What comes out is never refused: there is room for all buffers.
      ports_[id] = std::make_shared<MemoryPort>(info, 1, MemoryOptions{.ring_size = id == 0 ? 4096u : kBuffers});
      return ports_[id];
    };
    test::Plan plan;
    plan.services = test::service_json({"10.0.1.11", "10.0.1.12"});
    plan.capacity = kCapacity;
    EngineOptions options;
    options.cores = {-1};
    options.flow_capacity = kCapacity;
    options.key = hash_key(5);
    engine_ = std::make_unique<Engine>(options, build_snapshot(plan.text(1, true), nullptr, open));
    syn_ = Frame().macs(test::peer_mac(0), test::own_mac(0)).from(kClient, 1).to(kVip, 80).tcp("S").bytes();
  }
  ~Flooded() override {
    engine_.reset();
    for (unsigned port = 0; port < 2; ++port) take(port);
  }

  void send(unsigned port, const Frame& frame) {
    Frame addressed = frame;
    inject(port, addressed.macs(test::peer_mac(port), test::own_mac(port)).build(buffers_));
  }
  void inject(unsigned port, Segment* frame) {
    ASSERT_NE(frame, nullptr);
    mark_away(frame);
    while (!ports_[port]->inject(0, frame)) take(1);
  }
  /// A burst of SYNs; false: the port was full.
  bool flood() {
    Segment* frames[64];
    for (Segment*& frame : frames) {
      frame = random_syn();
      mark_away(frame);
    }
    const uint32_t taken = ports_[0]->inject_burst(0, frames, 64);
    flooded_ += taken;
    refused_ += 64 - taken;
    for (uint32_t i = taken; i < 64; ++i) release(frames[i]);
    return taken == 64;
  }
  Segment* random_syn() {
    uint8_t* ip = syn_.data() + 14;
    const uint32_t source = static_cast<uint32_t>(random_());
    const auto port = static_cast<uint16_t>(random_());
    std::memcpy(ip + 12, &source, 4);
    std::memcpy(ip + 20, &port, 2);
    ip[12] = static_cast<uint8_t>(64 + ip[12] % 32);  // none of ours
    ip[10] = ip[11] = 0;
    uint32_t sum = 0;
    for (int i = 0; i < 20; i += 2) sum += static_cast<uint32_t>(ip[i] << 8 | ip[i + 1]);
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    ip[10] = static_cast<uint8_t>(~sum >> 8);
    ip[11] = static_cast<uint8_t>(~sum);
    Segment* frame = buffers_.small.allocate();
    append(frame, syn_.data(), static_cast<uint32_t>(syn_.size()), buffers_);
    return frame;
  }
  /// Takes what came out of a port: neighbours answer, what is no SYN of the flood is told of.
  void take(unsigned port) {
    Segment* frames[64];
    while (const uint32_t n = ports_[port]->take_burst(0, frames, 64)) {
      for (uint32_t i = 0; i < n; ++i) {
        if (Segment* answer = test::neighbor_answer(frames[i], test::peer_mac(port), buffers_)) {
          mark_away(answer);
          ports_[port]->inject(0, answer);
        } else if (frames[i]->data[14 + 12] == 10) {
          came_.insert(test::describe(frames[i]));
        }
        release(frames[i]);
      }
    }
  }
  /// Whether a frame that says this comes out of the port in time, whatever else does.
  bool arrives(unsigned port, const std::string& text) {
    for (const auto end = Clock::now() + milliseconds(10'000); Clock::now() < end;) {
      take(port);
      if (came_.erase(text) != 0) return true;
    }
    return false;
  }
  static std::string text(const char* format, uint16_t port, const char* endpoint, const char* flags) {
    char buffer[96];
    snprintf(buffer, sizeof(buffer), format, port, endpoint, flags);
    return buffer;
  }
  static std::string client_frame(uint16_t port, const std::string& endpoint, const char* flags) {
    return text("10.0.0.2:%u>%s:8080 tcp %s ttl=63", port, endpoint.c_str(), flags);
  }
  static std::string reply_frame(uint16_t port, const char* flags) {
    return text("10.9.9.9:80>10.0.0.2:%u%s tcp %s ttl=63", port, "", flags);
  }
  /// A connection through the service; gives its endpoint.
  std::string connect(uint16_t port) {
    send(0, Frame().from(kClient, port).to(kVip, 80).tcp("S", 100));
    std::string endpoint;
    for (const auto end = Clock::now() + milliseconds(10'000); endpoint.empty() && Clock::now() < end;) {
      take(1);
      for (const char* one : {"10.0.1.11", "10.0.1.12"}) {
        if (came_.erase(client_frame(port, one, "S")) != 0) endpoint = one;
      }
    }
    send(1, Frame().from(endpoint, 8080).to(kClient, port).tcp("SA", 500, 101));
    EXPECT_TRUE(arrives(0, reply_frame(port, "SA")));
    send(0, Frame().from(kClient, port).to(kVip, 80).tcp("A", 101, 501));
    EXPECT_TRUE(arrives(1, client_frame(port, endpoint, "A")));
    return endpoint;
  }
  void speak(uint16_t port, const std::string& endpoint) {
    send(0, Frame().from(kClient, port).to(kVip, 80).tcp("A", 101, 501));
    ASSERT_TRUE(arrives(1, client_frame(port, endpoint, "A"))) << port;
    send(1, Frame().from(endpoint, 8080).to(kClient, port).tcp("A", 501, 101));
    ASSERT_TRUE(arrives(0, reply_frame(port, "A"))) << port;
  }
  uint64_t count(Reason reason) { return engine_->counters(0).reasons[static_cast<size_t>(reason)].packets.read(); }

  Buffers buffers_{kBuffers, 16};
  std::vector<uint8_t> syn_;
  std::shared_ptr<MemoryPort> ports_[2];
  std::set<std::string> came_;
  std::unique_ptr<Engine> engine_;
  std::mt19937_64 random_{7};
  uint64_t flooded_ = 0;
  uint64_t refused_ = 0;
};

TEST_F(Flooded, EstablishedFlowsLiveAndMemoryIsFlat) {
  std::vector<std::string> endpoints;
  for (uint16_t i = 0; i < kEstablished; ++i) endpoints.push_back(connect(static_cast<uint16_t>(kFirstPort + i)));
  const char* full = std::getenv("FLATPROXY_FULL");
  const milliseconds span(full != nullptr && std::string(full) == "1" ? 10'000 : 2'000);
  const auto start = Clock::now();
  auto sampled = start;
  std::vector<size_t> resident;
  uint64_t spoken = 0;
  // Under a sanitizer a lane takes far fewer: on until the table has been filled twice.
  const auto going_on = [&] {
    const auto passed = Clock::now() - start;
    return passed < span || (flooded_ <= 2 * kCapacity && passed < milliseconds(60'000));
  };
  while (going_on()) {
    for (bool room = true; room && going_on(); take(1)) room = flood();
    const auto i = static_cast<uint16_t>(spoken++ % kEstablished);
    ASSERT_NO_FATAL_FAILURE(speak(static_cast<uint16_t>(kFirstPort + i), endpoints[i]));
    if (Clock::now() - sampled < milliseconds(100)) continue;
    sampled = Clock::now();
    if (sampled - start > milliseconds(500)) resident.push_back(resident_bytes());
  }
  const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - start);
  EXPECT_GT(refused_, 0u) << "the port was full";
  EXPECT_GT(flooded_, 2 * kCapacity);
  EXPECT_EQ(engine_->flow_count(), kCapacity) << "the table is full";
  EXPECT_GT(engine_->counters(0).evicted_flows.read(), 0u);
  EXPECT_EQ(count(Reason::flow_table_full), 0u) << "a newcomer finds a place where one that never spoke had it";
  // Every one of them is there, whether it spoke meanwhile or not.
  for (uint16_t i = 0; i < kEstablished; ++i) {
    ASSERT_NO_FATAL_FAILURE(speak(static_cast<uint16_t>(kFirstPort + i), endpoints[i]));
  }
  EXPECT_EQ(count(Reason::tcp_no_flow), 0u);
  EXPECT_EQ(count(Reason::tcp_state_invalid), 0u);
  ASSERT_FALSE(resident.empty());
  const auto [least, most] = std::minmax_element(resident.begin(), resident.end());
  EXPECT_LT(*most - *least, kSanitized ? SIZE_MAX : 2u << 20) << "resident bytes";
  printf("%llu SYNs in %lld ms, %llu evicted, %llu exchanges of %u flows meanwhile; resident %zu to %zu KiB\n",
         static_cast<unsigned long long>(flooded_), static_cast<long long>(took.count()),
         static_cast<unsigned long long>(engine_->counters(0).evicted_flows.read()),
         static_cast<unsigned long long>(spoken), kEstablished, *least >> 10, *most >> 10);
}

}  // namespace
}  // namespace flatproxy
