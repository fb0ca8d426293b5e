#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "health/health_prober.h"
#include "packet/buffers.h"
#include "packet/frame.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/protocol.h"
#include "wire/tcp.h"

namespace flatproxy {
namespace {

using wire::Address;

constexpr Nanoseconds kSecond = 1'000'000'000;

Address address(std::string_view text) { return *Address::parse(text); }

Endpoint endpoint(uint32_t id, std::string_view at, uint16_t port = 80) {
  return {id, address(at), port, 1, false, "e" + std::to_string(id)};
}

Service service(uint32_t id, std::vector<Endpoint> endpoints, std::optional<HealthCheck> check = HealthCheck{}) {
  Service made;
  made.id = id;
  made.protocol = wire::protocol::kTcp;
  made.port = 80;
  made.endpoints = std::move(endpoints);
  made.health_check = check;
  return made;
}

struct Heard {
  uint32_t service;
  uint32_t endpoint;
  bool healthy;
  ProbeResult why;
  bool operator==(const Heard&) const = default;
};

/// A prober on a network of one port, whose peers the test plays.
class HealthTest : public testing::Test, public HealthListener {
 protected:
  void health_changed(uint32_t service, uint32_t endpoint, bool healthy, ProbeResult why) override {
    heard_.push_back({service, endpoint, healthy, why});
  }

  void use(std::vector<Service> services) {
    auto next = std::make_unique<Snapshot>();
    next->ports.resize(1);
    next->ports[0].own = {*wire::Prefix::parse("192.0.2.1/24"), *wire::Prefix::parse("10.0.0.1/24"),
                          *wire::Prefix::parse("fd00::1/64")};
    next->routes = std::make_shared<RouteTable>(std::vector<Route>{{*wire::Prefix::parse("10.0.0.0/8"), 0, false, {}},
                                                                   {*wire::Prefix::parse("fd00::/8"), 0, false, {}}});
    for (Service& s : services) {
      if (s.id >= next->services.size()) next->services.resize(s.id + 1);
      const bool kept = snapshot_ != nullptr && s.id < snapshot_->services.size() && keep_.count(s.id) != 0;
      next->services[s.id] = kept ? snapshot_->services[s.id] : std::make_shared<const Service>(std::move(s));
    }
    prober_.configure(*next, now_);
    snapshot_ = std::move(next);
  }

  /// Lets time pass, in steps of at most 10 ms; every SYN on the way is answered by `answer_syn`.
  void run(Nanoseconds time) {
    for (const Nanoseconds end = now_ + time; now_ < end;) {
      now_ += std::min<Nanoseconds>(end - now_, 10'000'000);
      std::vector<ProbePacket> sent;
      prober_.tick(now_, sent);
      for (const ProbePacket& syn : sent) {
        syns_.push_back(syn);
        times_.push_back(now_);
        if (answer_syn) answer_syn(syn);
      }
    }
  }
  HealthProber::Answer receive(const ProbePacket& syn, uint8_t flags, uint32_t acknowledgment) {
    return prober_.answer(syn.tuple.reversed(), flags, acknowledgment, now_, reply_);
  }
  void accept(const ProbePacket& syn) { receive(syn, wire::kSyn | wire::kAck, syn.sequence + 1); }
  void refuse(const ProbePacket& syn) { receive(syn, wire::kRst | wire::kAck, syn.sequence + 1); }
  void all_accept() {
    answer_syn = [this](const ProbePacket& syn) { accept(syn); };
  }
  void all_refuse() {
    answer_syn = [this](const ProbePacket& syn) { refuse(syn); };
  }

  uint64_t seed_ = 1;
  Nanoseconds now_ = 100 * kSecond;
  EndpointHealth health_{1u << 20};
  std::vector<Heard> heard_;
  HealthProber prober_{health_, *this, [this] { return seed_ = seed_ * 6364136223846793005u + 1442695040888963407u; }};
  std::unique_ptr<Snapshot> snapshot_;
  std::set<uint32_t> keep_;  // services that the next use() takes from the last one
  std::vector<ProbePacket> syns_;
  std::vector<Nanoseconds> times_;
  ProbePacket reply_;
  std::function<void(const ProbePacket&)> answer_syn;
};

TEST_F(HealthTest, AsksFromTheConnectedAddressAndAReservedPort) {
  use({service(0, {endpoint(5, "10.0.0.9", 8080), endpoint(6, "fd00::9")})});
  run(kSecond);
  ASSERT_EQ(syns_.size(), 2u);
  std::sort(syns_.begin(), syns_.end(), [](auto& a, auto& b) { return a.tuple.family < b.tuple.family; });
  EXPECT_EQ(syns_[0].tuple.source, address("10.0.0.1"));
  EXPECT_EQ(syns_[0].tuple.destination, address("10.0.0.9"));
  EXPECT_EQ(syns_[0].tuple.destination_port, 8080);
  EXPECT_EQ(syns_[0].tuple.protocol, 6);
  EXPECT_EQ(syns_[0].flags, wire::kSyn);
  EXPECT_TRUE(prober_.is_probe_port(syns_[0].tuple.source_port));
  EXPECT_EQ(syns_[1].tuple.source, address("fd00::1"));
  EXPECT_EQ(syns_[1].tuple.family, 6);
  EXPECT_NE(syns_[0].sequence, syns_[1].sequence);
}

TEST_F(HealthTest, ASynAckIsHealthAndIsReset) {
  use({service(0, {endpoint(5, "10.0.0.9")})});
  run(kSecond);
  ASSERT_EQ(syns_.size(), 1u);
  EXPECT_EQ(receive(syns_[0], wire::kSyn | wire::kAck, syns_[0].sequence + 1), HealthProber::Answer::reply);
  EXPECT_EQ(reply_.tuple, syns_[0].tuple);
  EXPECT_EQ(reply_.flags, wire::kRst);
  EXPECT_EQ(reply_.sequence, syns_[0].sequence + 1);
  EXPECT_EQ(prober_.under_way(), 0u);
  EXPECT_EQ(prober_.counts().answered, 1u);
  EXPECT_TRUE(heard_.empty());
  // The same once more, when the probe is over: reset again, and nothing else.
  EXPECT_EQ(receive(syns_[0], wire::kSyn | wire::kAck, syns_[0].sequence + 1), HealthProber::Answer::reply);
  EXPECT_EQ(prober_.counts().answered, 1u);
}

TEST_F(HealthTest, TheFirstProbeDecidesAlone) {
  use({service(0, {endpoint(5, "10.0.0.9")})});
  EXPECT_TRUE(health_.healthy(5));
  all_refuse();
  run(kSecond + 10'000'000);
  EXPECT_FALSE(health_.healthy(5));
  EXPECT_EQ(heard_, (std::vector<Heard>{{0, 5, false, ProbeResult::refused}}));
}

TEST_F(HealthTest, ThenTheThresholdsHold) {
  use({service(0, {endpoint(5, "10.0.0.9")})});
  all_accept();
  run(2 * kSecond);
  all_refuse();
  run(11 * kSecond);  // two probes
  EXPECT_TRUE(health_.healthy(5));
  run(5 * kSecond);
  EXPECT_FALSE(health_.healthy(5));
  all_accept();
  run(6 * kSecond);
  EXPECT_FALSE(health_.healthy(5));
  run(6 * kSecond);
  EXPECT_TRUE(health_.healthy(5));
  EXPECT_EQ(heard_, (std::vector<Heard>{{0, 5, false, ProbeResult::refused}, {0, 5, true, ProbeResult::answered}}));
}

TEST_F(HealthTest, ContraryResultsMustBeInARow) {
  use({service(0, {endpoint(5, "10.0.0.9")})});
  int n = 0;
  answer_syn = [&](const ProbePacket& syn) { n++ % 3 == 0 ? accept(syn) : refuse(syn); };
  run(200 * kSecond);
  EXPECT_GT(n, 30);
  EXPECT_TRUE(heard_.empty());
}

TEST_F(HealthTest, SilenceTimesOut) {
  use({service(0, {endpoint(5, "10.0.0.9")})});
  run(kSecond);
  EXPECT_EQ(prober_.under_way(), 1u);
  run(kSecond + 10'000'000);
  EXPECT_EQ(heard_, (std::vector<Heard>{{0, 5, false, ProbeResult::timed_out}}));
  // Too late: known, reset, but without effect.
  EXPECT_EQ(receive(syns_[0], wire::kSyn | wire::kAck, syns_[0].sequence + 1), HealthProber::Answer::reply);
  EXPECT_EQ(prober_.counts().answered, 0u);
}

TEST_F(HealthTest, AnIcmpErrorIsAFailure) {
  use({service(0, {endpoint(5, "10.0.0.9")})});
  run(kSecond);
  EXPECT_TRUE(prober_.unreachable(syns_[0].tuple, syns_[0].sequence + 1, now_));
  EXPECT_TRUE(heard_.empty());
  Tuple other = syns_[0].tuple;
  other.destination_port = 81;
  EXPECT_FALSE(prober_.unreachable(other, syns_[0].sequence, now_));
  EXPECT_TRUE(prober_.unreachable(syns_[0].tuple, syns_[0].sequence, now_));
  EXPECT_EQ(heard_, (std::vector<Heard>{{0, 5, false, ProbeResult::unreachable}}));
}

TEST_F(HealthTest, NoRouteAndNoOwnAddressAreFailures) {
  use({service(0, {endpoint(5, "203.0.113.1")})});
  run(kSecond + 10'000'000);
  EXPECT_EQ(heard_, (std::vector<Heard>{{0, 5, false, ProbeResult::no_route}}));
  EXPECT_TRUE(syns_.empty());
}

TEST_F(HealthTest, ForgersMustKnowTheSequenceNumber) {
  use({service(0, {endpoint(5, "10.0.0.9")})});
  run(kSecond);
  const ProbePacket& syn = syns_[0];
  EXPECT_EQ(receive(syn, wire::kRst | wire::kAck, syn.sequence), HealthProber::Answer::taken);
  EXPECT_EQ(receive(syn, wire::kRst, 0), HealthProber::Answer::taken);
  EXPECT_EQ(receive(syn, wire::kSyn, 0), HealthProber::Answer::taken);
  EXPECT_EQ(receive(syn, 0, 0), HealthProber::Answer::taken);
  EXPECT_EQ(prober_.under_way(), 1u);
  // An older connection of the endpoint's (RFC 5961 challenge ACK) is reset by its own numbers; the probe goes on.
  EXPECT_EQ(receive(syn, wire::kAck, 4711), HealthProber::Answer::reply);
  EXPECT_EQ(reply_.sequence, 4711u);
  EXPECT_EQ(receive(syn, wire::kSyn | wire::kAck, syn.sequence), HealthProber::Answer::reply);
  EXPECT_EQ(receive(syn, wire::kAck, syn.sequence + 1), HealthProber::Answer::reply);
  EXPECT_EQ(prober_.under_way(), 1u);
  EXPECT_EQ(prober_.counts().answered + prober_.counts().failed, 0u);
}

TEST_F(HealthTest, WhatIsNotAProbesIsNotTaken) {
  use({service(0, {endpoint(5, "10.0.0.9")})});
  run(kSecond);
  const Tuple right = syns_[0].tuple.reversed();
  for (const auto& change : std::vector<std::function<void(Tuple&)>>{
           [](Tuple& t) { t.destination_port = 80; }, [](Tuple& t) { ++t.destination_port; },
           [](Tuple& t) { t.source = address("10.0.0.10"); }, [](Tuple& t) { t.source_port = 81; },
           [](Tuple& t) { t.destination = address("192.0.2.1"); }, [](Tuple& t) { t.destination_port = 0; }}) {
    Tuple tuple = right;
    change(tuple);
    EXPECT_EQ(prober_.answer(tuple, wire::kSyn | wire::kAck, syns_[0].sequence + 1, now_, reply_),
              HealthProber::Answer::not_ours);
  }
  EXPECT_EQ(prober_.under_way(), 1u);
}

TEST_F(HealthTest, TheIntervalIsKeptWithJitter) {
  use({service(0, {endpoint(5, "10.0.0.9")}, HealthCheck{1000, 500, 2, 3, 0.2})});
  all_accept();
  run(1000 * kSecond);
  EXPECT_NEAR(static_cast<double>(times_.size()), 1000, 20);
  Nanoseconds shortest = kNever;
  Nanoseconds longest = 0;
  for (size_t i = 1; i < times_.size(); ++i) {
    shortest = std::min(shortest, times_[i] - times_[i - 1]);
    longest = std::max(longest, times_[i] - times_[i - 1]);
  }
  EXPECT_GE(shortest, 790'000'000u);
  EXPECT_LE(shortest, 830'000'000u);
  EXPECT_GE(longest, 1'170'000'000u);
  EXPECT_LE(longest, 1'220'000'000u);
}

TEST_F(HealthTest, SpreadsAndBoundsManyProbes) {
  std::vector<Endpoint> many;
  for (uint32_t i = 0; i < 10000; ++i) {
    const std::string at = "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250);
    many.push_back(endpoint(i, at));
  }
  use({service(0, many)});
  run(kSecond);  // nobody answers: all ports are taken
  EXPECT_EQ(prober_.under_way(), 65535u - 61000 + 1);
  EXPECT_EQ(syns_.size(), prober_.under_way());
  EXPECT_GT(prober_.counts().waited, 0u);
  const auto early =
      std::count_if(times_.begin(), times_.end(), [&](Nanoseconds t) { return t < 100 * kSecond + kSecond / 4; });
  EXPECT_NEAR(static_cast<double>(early), 2500, 300);
  run(4 * kSecond);
  for (uint32_t i = 0; i < 10000; ++i) ASSERT_FALSE(health_.healthy(i)) << i;
  all_accept();
  run(20 * kSecond);
  for (uint32_t i = 0; i < 10000; ++i) ASSERT_TRUE(health_.healthy(i)) << i;
  std::vector<ProbePacket> burst;
  prober_.tick(now_ + 60 * kSecond, burst);
  EXPECT_LE(burst.size(), 256u);
}

TEST_F(HealthTest, TellsWhenItIsDue) {
  EXPECT_EQ(prober_.next_deadline(now_), kNever);
  use({service(0, {endpoint(5, "10.0.0.9")})});
  const Nanoseconds first = prober_.next_deadline(now_);
  EXPECT_LE(first, now_ + kSecond);
  std::vector<ProbePacket> out;
  prober_.tick(first - 1, out);
  EXPECT_TRUE(out.empty());
  prober_.tick(first, out);
  EXPECT_EQ(out.size(), 1u);
  EXPECT_EQ(prober_.next_deadline(first), first + kSecond);
}

TEST_F(HealthTest, UnchangedEndpointsKeepTheirState) {
  use({service(0, {endpoint(5, "10.0.0.9"), endpoint(6, "10.0.0.10")}), service(1, {endpoint(7, "10.0.0.11")})});
  all_refuse();
  run(2 * kSecond);
  EXPECT_EQ(heard_.size(), 3u);
  keep_ = {1};
  use({service(0, {endpoint(8, "10.0.0.12"), endpoint(5, "10.0.0.9")}), service(1, {})});
  EXPECT_FALSE(health_.healthy(5));
  EXPECT_TRUE(health_.healthy(6)) << "removed";
  EXPECT_FALSE(health_.healthy(7));
  EXPECT_TRUE(health_.healthy(8)) << "new";
  run(20 * kSecond);
  EXPECT_EQ(heard_.size(), 4u);
  EXPECT_EQ(heard_.back(), (Heard{0, 8, false, ProbeResult::refused}));
}

TEST_F(HealthTest, WithoutACheckEverybodyIsHealthy) {
  use({service(0, {endpoint(5, "10.0.0.9")})});
  all_refuse();
  run(2 * kSecond);
  answer_syn = nullptr;
  run(5 * kSecond);
  use({service(0, {endpoint(5, "10.0.0.9")}, std::nullopt)});
  EXPECT_TRUE(health_.healthy(5));
  EXPECT_EQ(prober_.under_way(), 0u);
  const size_t sent = syns_.size();
  run(20 * kSecond);
  EXPECT_EQ(syns_.size(), sent);
}

TEST_F(HealthTest, DatagramServicesAreNotProbed) {
  Service udp = service(0, {endpoint(5, "10.0.0.9")});
  udp.protocol = wire::protocol::kUdp;
  use({udp});
  run(20 * kSecond);
  EXPECT_TRUE(syns_.empty());
}

TEST_F(HealthTest, AnIdThatPassesToAnotherServiceStartsAnew) {
  use({service(0, {endpoint(5, "10.0.0.9")}), service(1, {endpoint(6, "10.0.0.10")})});
  all_refuse();
  run(2 * kSecond);
  use({service(0, {endpoint(6, "10.0.0.10")}), service(1, {endpoint(5, "10.0.0.9")})});
  EXPECT_TRUE(health_.healthy(5));
  EXPECT_TRUE(health_.healthy(6));
  heard_.clear();
  run(2 * kSecond);
  EXPECT_EQ(heard_.size(), 2u);
  for (const Heard& h : heard_) EXPECT_EQ(h.service, h.endpoint == 6 ? 0u : 1u);
}

TEST_F(HealthTest, AShorterIntervalCountsAtOnce) {
  use({service(0, {endpoint(5, "10.0.0.9")}, HealthCheck{3'600'000, 1000, 2, 3, 0})});
  all_accept();
  run(2 * kSecond);
  EXPECT_EQ(syns_.size(), 1u);
  use({service(0, {endpoint(5, "10.0.0.9")}, HealthCheck{1000, 500, 2, 3, 0})});
  run(10 * kSecond);
  EXPECT_GE(syns_.size(), 10u);
}

TEST_F(HealthTest, AProbeUnderWayOutlivesAChange) {
  use({service(0, {endpoint(5, "10.0.0.9")})});
  run(kSecond);
  use({service(0, {endpoint(5, "10.0.0.9"), endpoint(6, "10.0.0.10")})});
  EXPECT_EQ(prober_.under_way(), 1u);
  refuse(syns_[0]);
  EXPECT_EQ(heard_, (std::vector<Heard>{{0, 5, false, ProbeResult::refused}}));
}

TEST(ProbeFrame, IsASynThatThePeerTakes) {
  Buffers buffers(16, 4);
  for (const bool v4 : {true, false}) {
    ProbePacket packet;
    packet.tuple = {address(v4 ? "10.0.0.1" : "fd00::1"), address(v4 ? "10.0.0.9" : "fd00::9"), 61001, 80, 6,
                    static_cast<uint8_t>(v4 ? 4 : 6)};
    packet.sequence = 0x12345678;
    packet.flags = wire::kSyn;
    Segment* frame = make_probe_frame(buffers, packet);
    ASSERT_NE(frame, nullptr);
    EXPECT_EQ(frame->family, v4 ? 4 : 6);
    const auto tcp = wire::Tcp::parse({frame->data + frame->l4_offset, frame->l4_length});
    ASSERT_TRUE(tcp);
    EXPECT_EQ(tcp->sequence, packet.sequence);
    EXPECT_EQ(tcp->source_port, 61001);
    EXPECT_EQ(tcp->flags, wire::kSyn);
    EXPECT_EQ(tcp->options.mss, v4 ? 536 : 1220);
    EXPECT_TRUE(wire::sum_intact(wire::sum_l4(frame)));
    release(frame);
  }
}

}  // namespace
}  // namespace flatproxy
