// Copies of packets, for ports that mirror them.
#include <gtest/gtest.h>

#include "support/world.h"

namespace flatproxy {
namespace {

using test::Frame;
using test::World;
using Content = std::vector<uint8_t>;

constexpr const char* kClient = "10.0.0.2";
constexpr const char* kWeb = "10.0.1.5";
constexpr unsigned kMirror = 2;

std::string mirror(unsigned counter, unsigned port = kMirror, const std::string& snap = "null") {
  return R"({"name":"p","direction":"ingress","subject":[0],"peer":null,"ports":[{"protocol":17,"first":53,"last":53}],)"
         R"("action":"mirror","counter":)" +
         std::to_string(counter) + R"(,"mirror":{"port":)" + std::to_string(port) + R"(,"snapLength":)" + snap + "}}";
}

std::string policies(const std::string& rules) {
  return R"({"default":"allow","selectors":[{"cidrs":["0.0.0.0/0"],"except":[]}],"rules":[)" + rules + "]}";
}

class FlowMirrorTest : public testing::Test {
 protected:
  World& make(const std::string& rules, const std::string& services = "[]") {
    World::Options options;
    options.ports = 4;
    options.policies = policies(rules);
    options.services = services;
    world_ = std::make_unique<World>(options);
    return *world_;
  }
  Frame question(uint16_t from = 1000, const char* to = kWeb) { return Frame().from(kClient, from).to(to, 53).udp(); }
  Frame answer(uint16_t to = 1000) { return Frame().from(kWeb, 53).to(kClient, to).udp(); }
  /// Sends it, and tells what came out of the mirror's port.
  std::vector<Content> copies(unsigned port, const Frame& frame) {
    world_->send(port, frame);
    return taken();
  }
  /// A frame as send() puts it on the wire.
  Content as_it_came(unsigned port, Frame frame) { return frame.macs(test::peer_mac(port), world_->mac(port)).bytes(); }
  std::vector<Content> taken(unsigned port = kMirror) {
    std::vector<Content> all;
    for (const Segment* frame : world_->take_frames(port)) all.push_back(test::content(frame));
    return all;
  }
  const PolicyCounters& counters(uint32_t id) { return world_->lane(0).counters().policies.at(id); }

  std::unique_ptr<World> world_;
};

TEST_F(FlowMirrorTest, BothWaysOfAFlowAsTheyCame) {
  make(mirror(0));
  world_->send(0, question());
  world_->send(1, answer());
  taken();
  for (const auto& [port, frame] : {std::pair(0u, question()), std::pair(1u, answer())}) {
    const auto copied = copies(port, frame);
    ASSERT_EQ(copied.size(), 1u);
    EXPECT_EQ(copied[0], as_it_came(port, frame)) << "hops and MACs, too";
  }
  EXPECT_EQ(world_->take(1).size(), 2u);
  EXPECT_EQ(world_->take(0).size(), 2u);
  EXPECT_EQ(counters(0).mirrored_packets.read(), 4u);
  EXPECT_EQ(counters(0).mirror_lost.read(), 0u);
  EXPECT_EQ(counters(0).flows.read(), 1u);
  EXPECT_EQ(world_->count(Reason::mirrored), 4u);
  EXPECT_EQ(world_->count(Reason::forwarded), 4u);
}

TEST_F(FlowMirrorTest, BeforeTheyAreTranslated) {
  std::string service = test::service_json({kWeb}, "10.9.9.9", "udp");
  service.replace(service.find("\"port\":80"), 9, "\"port\":53");
  service.replace(service.find("8080"), 4, "53");
  make("", service);
  world_->send(0, question(1000, "10.9.9.9"));
  world_->apply_policies(policies(mirror(0)));
  for (int i = 0; i < 2; ++i) {
    const auto copied = copies(0, question(1000, "10.9.9.9"));
    ASSERT_EQ(copied.size(), 1u) << "from the first packet under the policy on";
    EXPECT_EQ(copied[0], as_it_came(0, question(1000, "10.9.9.9")));
  }
  world_->apply_policies(policies(""));
  EXPECT_TRUE(copies(0, question(1000, "10.9.9.9")).empty());
  EXPECT_EQ(world_->take(1).size(), 4u);
}

TEST_F(FlowMirrorTest, AsMuchAsIsAskedForAndAsThePortTakes) {
  make(mirror(0, kMirror, "60") + "," + mirror(1, 3));
  world_->send(0, question().payload_of(500));
  const auto some = taken();
  ASSERT_EQ(some.size(), 1u);
  EXPECT_EQ(some[0].size(), 60u);
  EXPECT_EQ(taken(3).at(0).size(), 14u + 20 + 8 + 500);
  world_->send(0, question().payload_of(2000));
  EXPECT_EQ(taken(3).at(0).size(), 14u + 1500) << "its MTU";
}

TEST_F(FlowMirrorTest, NothingOfWhatComesByAMirrorsPort) {
  make(mirror(0));
  world_->send(kMirror, Frame().from("10.0.2.9", 1000).to(kWeb, 53).udp());
  EXPECT_TRUE(taken().empty());
  EXPECT_EQ(world_->take(1).size(), 1u);
  EXPECT_EQ(counters(0).mirror_lost.read(), 0u);
}

TEST_F(FlowMirrorTest, NothingOfWhatIsDeniedOrLimited) {
  make(mirror(0) +
       R"(,{"name":"l","direction":"ingress","subject":[0],"peer":null,"ports":null,"action":"limit","counter":1,)"
       R"("limit":{"of":"packets","rate":1,"interval":3600000,"burst":2}})");
  for (int i = 0; i < 5; ++i) world_->send(0, question());
  EXPECT_EQ(taken().size(), 2u);
  world_->apply_policies(policies(
      mirror(0) + R"(,{"name":"d","direction":"ingress","subject":[0],"peer":null,"ports":null,"action":"deny"})"));
  world_->send(0, question());
  world_->send(0, question(1001));
  EXPECT_TRUE(taken().empty());
}

TEST_F(FlowMirrorTest, ABurstHasABoundedNumberOfCopiesAndNoneIsWaitedFor) {
  make(mirror(0) + "," + mirror(1, 3));
  world_->send(0, question());
  taken();
  taken(3);
  world_->take(1);
  constexpr unsigned kPackets = Burst::kSize;
  for (unsigned i = 0; i < kPackets; ++i)
    world_->inject(0, question().macs(test::peer_mac(0), world_->mac(0)).build(world_->buffers()));
  world_->run(1'000'000);
  EXPECT_EQ(world_->take(1).size(), kPackets);
  const size_t copied = taken().size() + taken(3).size();
  const uint64_t lost = counters(0).mirror_lost.read() + counters(1).mirror_lost.read();
  EXPECT_EQ(copied + lost, 2 * kPackets);
  EXPECT_EQ(world_->count(Reason::mirror_lost), lost);
  EXPECT_EQ(copied, Mirror::kCopies);
}

}  // namespace
}  // namespace flatproxy
