// What is explained of a frame is what becomes of it.
#include "lane/explain_frame.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "packet/error.h"
#include "packet/frame.h"
#include "support/ask.h"
#include "support/plan_text.h"
#include "support/random_frames.h"

namespace flatproxy {
namespace {

using test::ask;
using test::counts_of;
using test::Frame;
using test::RandomFrames;
using test::RandomMesh;
using test::SentFrame;
using test::step_of;
using test::World;

std::string hex(const std::vector<uint8_t>& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : bytes) text.append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
  return text;
}

std::string steps_text(const Explanation& said) {
  std::string text;
  for (const ExplainStep& step : said.steps) {
    text.append(name(step.step)).append(" ").append(std::to_string(step.id)).append(" ").append(step.at).append("; ");
  }
  return text;
}

/// How many flows a packet may belong to.
unsigned flows_with(World& world, unsigned lanes, const Tuple& tuple) {
  unsigned flows = 0;
  for (unsigned lane = 0; lane < lanes; ++lane) {
    const FlowTable& table = world.lane(lane).flows().conntrack().table();
    for (FlowId id = 0; id < table.id_limit(); ++id)
      flows += table.in_use(id) && (table.original(id) == tuple || table.reply(id) == tuple);
  }
  return flows;
}

class ExplainFrameProperty : public testing::Test {
 protected:
  void compare(uint32_t seed);
  void compare_one(World& world, RandomMesh& mesh, RandomFrames& frames);
  void compare_ends(RandomMesh& mesh, const SentFrame& frame, const Explanation& said);

  std::map<std::string, unsigned> seen_;  // frames by reason
  std::map<Step, unsigned> steps_;
  size_t came_[5] = {};  // frames that left after the last one, by port
  unsigned compared_ = 0;
  unsigned as_tuples_ = 0;
};

/// Where it leaves, and that nothing else does.
void ExplainFrameProperty::compare_ends(RandomMesh& mesh, const SentFrame& frame, const Explanation& said) {
  const Verdict verdict = info(test::end_of(said)).verdict;
  for (unsigned port = 0; port < (mesh.options.node ? 5 : 4); ++port) {
    const size_t came = came_[port];
    if (step_of(said, Step::mirror)) continue;  // copies leave as well, by any port
    const bool exit = port == (said.exit == host_side(0) ? 4u : said.exit);
    if (verdict == Verdict::forward) {
      EXPECT_EQ(came, exit ? 1u : 0u) << "by " << port;
    } else if (verdict != Verdict::terminate && port != frame.port) {
      EXPECT_EQ(came, 0u) << "by " << port;
    }
  }
}

void ExplainFrameProperty::compare_one(World& world, RandomMesh& mesh, RandomFrames& frames) {
  const SentFrame frame = frames.next();
  const auto before = counts_of(world);
  const FrameExplanation said = ask(world, mesh.options.lanes, frame.id(), frame.bytes);
  SCOPED_TRACE(hex(frame.bytes) + " by " + std::to_string(frame.id()) + ": " +
               std::string(info(said.said.reason).name) + ": " + steps_text(said.said));
  ASSERT_EQ(steps_text(said.said), steps_text(ask(world, mesh.options.lanes, frame.id(), frame.bytes).said))
      << "asking changes nothing";
  ASSERT_EQ(before, counts_of(world));
  const Explanation asked = ask(world, mesh.options.lanes, frame.packet);
  // Of what runs the sequence numbers decide, which a tuple does not have.
  bool runs = step_of(asked, Step::flow) != nullptr;
  for (unsigned lane = 0; lane < mesh.options.lanes; ++lane) {
    const tcp::Stack& stack = world.lane(lane).tcp().stack();
    runs |= stack.knows(frame.packet.tuple) || stack.knows(frame.packet.tuple.reversed());
  }
  if (frame.first_packet && said.of.kind == FrameSummary::Kind::ip && !runs) {
    EXPECT_EQ(steps_text(said.said), steps_text(asked)) << "as its tuple alone";
    EXPECT_EQ(said.said.reason, asked.reason);
    EXPECT_EQ(said.said.exit, asked.exit);
    ++as_tuples_;
  }
  const Tuple tuple = tuple_in_zone(world.snapshot(), said.of.packet);
  const bool adopted = opening_for(world.snapshot(), tuple, world.lane(0).flows().balance()).direction == kReply;
  const unsigned flows = flows_with(world, mesh.options.lanes, tuple);
  // Its successor may have another endpoint: the load that it had is not there any more.
  const bool reopens = flows > 0 && step_of(said.said, Step::endpoint) && !step_of(said.said, Step::flow);
  const bool ambiguous = flows > 1 || (mesh.options.lanes > 1 && adopted);
  Segment* segment = world.buffers().small.allocate();
  ASSERT_TRUE(append(segment, frame.bytes.data(), static_cast<uint32_t>(frame.bytes.size()), world.buffers()));
  world.inject(frame.port, segment, mesh.below(mesh.options.lanes));
  world.run();
  for (unsigned port = 0; port < (mesh.options.node ? 5 : 4); ++port) {
    const std::vector<Segment*> out = world.take_frames(port);
    came_[port] = out.size();
    for (const Segment* each : out) frames.saw(port, each);
  }
  std::string got;
  const bool learned = step_of(said.said, Step::link_learned) || step_of(said.said, Step::link_ignored);
  const std::vector<uint8_t>& bytes = frame.bytes;
  const bool link_like = bytes.size() > 20 && (bytes[13] == 6 || bytes[20] == wire::protocol::kIcmp6);
  // Who is asked between joined ports, answers, whatever he was asked.
  const bool passed_on = link_like && said.said.reason == Reason::passed_on;
  const bool link = learned || passed_on || step_of(said.said, Step::link_answered);
  for (const auto& [reason, count] : before) {
    const bool of_it = link ? reason == said.said.reason : !test::is_of_us(reason);
    if (of_it && world.count(reason) != count) got += std::string(info(reason).name) + " ";
  }
  const Reason ended = test::end_of(said.said);
  std::string expected = std::string(info(ended).name) + " ";
  if (step_of(said.said, Step::fragment_waiting)) {
    expected = "";
  } else if (step_of(said.said, Step::fragment_first) || ended == Reason::tcp_terminated) {
    // With it go those that have waited for it. The answers of a connection that ends here may have no way.
    if (const size_t at = got.find(expected); at != std::string::npos) got = expected;
  }
  // A flow that somebody began in our name: other lanes than its own answer for us, and no neighbour is found.
  const bool of_ours = step_of(said.said, Step::flow) && world.snapshot().ours(said.of.packet.tuple.destination);
  if (of_ours) return;
  // Errors that come by a joined port stay on the lane that they come to.
  if (mesh.options.joined && mesh.options.lanes > 1 && step_of(said.said, Step::quotes_connection)) return;
  // Two flows may have the same replies, one of them through a service: either has the packet. And another lane than
  // the flow's takes an endpoint's answer for one that is met in mid-stream.
  if (ambiguous && step_of(said.said, Step::flow)) return;
  ASSERT_EQ(got, expected);
  // What has waited for the neighbour that is told of leaves as well, and who is asked, answers.
  if (!step_of(said.said, Step::fragment_first) && !link_like && !reopens) compare_ends(mesh, frame, said.said);
  ++compared_;
  ++seen_[expected];
  for (const ExplainStep& step : said.said.steps) ++steps_[step.step];
}

void ExplainFrameProperty::compare(uint32_t seed) {
  RandomMesh mesh(seed);
  World world(mesh.options);
  for (uint32_t id = 0; id < mesh.endpoints_; ++id) world.shared().health.set(id, mesh.below(4) != 0);
  RandomFrames frames(mesh, world);
  for (int i = 0; i < 200 && !HasFailure(); ++i) {
    if (i == 170) world.shared().refuse_new = mesh.below(3) == 0;
    compare_one(world, mesh, frames);
  }
}

TEST_F(ExplainFrameProperty, WhatIsSaidIsWhatHappens) {
#ifdef FLATPROXY_SANITIZED
  constexpr unsigned kSeeds = 60;
#else
  constexpr unsigned kSeeds = 300;
#endif
  for (uint32_t seed = 0; seed < kSeeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    compare(seed);
  }
  EXPECT_GT(compared_, 150 * kSeeds);
  EXPECT_GT(as_tuples_, 10 * kSeeds);
  // How many of each there are varies; that there are some, in every sixtieth mesh at least, does not.
  for (const char* reason : {"arp_answered",        "arp_malformed",       "draining",         "echo_answered",
                             "ether_type_unknown",  "ethernet_truncated",  "fragment_invalid", "icmp_checksum_bad",
                             "icmp_related",        "icmp_truncated",      "icmp_unrelated",   "ipv4_checksum_bad",
                             "ipv4_header_invalid", "ipv4_length_invalid", "ipv4_truncated",   "ipv6_header_invalid",
                             "multicast_ignored",   "nd_answered",         "nd_malformed",     "neighbor_learned",
                             "not_for_us",          "packet_too_big",      "passed_on",        "policy_denied",
                             "port_unreachable",    "service_forwarded",   "spoofed_source",   "tcp_checksum_bad",
                             "tcp_header_invalid",  "tcp_no_connection",   "tcp_no_flow",      "tcp_options_invalid",
                             "tcp_out_of_window",   "tcp_state_invalid",   "tcp_terminated",   "ttl_exceeded",
                             "udp_length_invalid",  "vlan_unknown"})
    EXPECT_GE(seen_[std::string(reason) + " "], kSeeds / 60) << reason;
  for (const Step step :
       {Step::group_mac,        Step::other_mac,       Step::fragment_first,    Step::fragment_later,
        Step::fragment_waiting, Step::connection,      Step::not_intercepted,   Step::segment_fragmented,
        Step::segment_fault,    Step::no_connection,   Step::quotes_connection, Step::quotes_flow,
        Step::quotes_none,      Step::quote_malformed, Step::out_of_window,     Step::wrong_state,
        Step::mid_stream,       Step::no_flow,         Step::flowless,          Step::hops_over,
        Step::too_big})
    EXPECT_GE(steps_[step], kSeeds / 60) << name(step);
}

std::vector<uint8_t> sent(World& world, unsigned port, Frame frame) {
  return frame.macs(test::peer_mac(port), world.mac(port)).bytes();
}

TEST(ExplainFrame, TheAnswerToAHealthCheckIsKnown) {
  World::Options options;
  options.services = "[" +
                     test::service(0, "10.9.9.9", test::endpoint(0, "10.0.1.20"),
                                   R"({"interval":1000,"timeout":500,"healthy":1,"unhealthy":1,"jitter":0})") +
                     "]";
  World world(options);
  world.run(2'000'000'000);
  const std::vector<Segment*> out = world.take_frames(1);
  ASSERT_FALSE(out.empty());
  const auto probe = test::content(out[0]);
  const uint16_t port = wire::load16(&probe[34]);
  Frame answer;
  answer.from("10.0.1.20", 80).to("10.0.1.1", port).tcp("SA", 7, wire::load32(&probe[38]) + 1);
  const FrameExplanation said = ask(world, 1, 1, sent(world, 1, answer));
  EXPECT_EQ(said.said.reason, Reason::probe_answered) << steps_text(said.said);
  EXPECT_TRUE(step_of(said.said, Step::probe));
  world.send(1, answer);
  EXPECT_EQ(world.count(Reason::probe_answered), 1u);
}

TEST(ExplainFrame, AFrameHasALength) {
  EXPECT_THROW(FrameInHand({}), Error);
  const std::vector<uint8_t> longest(FrameInHand::kMost), longer(FrameInHand::kMost + 1);
  EXPECT_EQ(FrameInHand(longest).segment()->frame_length, longest.size());
  EXPECT_THROW(FrameInHand{longer}, Error);
}

}  // namespace
}  // namespace flatproxy
