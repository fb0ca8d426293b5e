// Captures of whole lanes: every packet as it came, with what it ended in.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "capture/capture_stream.h"
#include "packet/frame.h"
#include "support/pcapng.h"
#include "support/world.h"

namespace flatproxy::test {
namespace {

using Bytes = std::vector<uint8_t>;
using Texts = std::vector<std::string>;

constexpr const char* kClient = "10.0.0.2";
constexpr const char* kServer = "10.0.1.5";

/// A capture of all lanes of a World.
class Capturing {
 public:
  explicit Capturing(World& world, CaptureOptions options = {}, unsigned lanes = 1) : world_(world), lanes_(lanes) {
    static uint32_t last = 0;
    capture = std::make_shared<LiveCapture>(std::move(options), lanes, 0);
    capture->number = ++last;
    stream = std::make_unique<CaptureStream>(capture, std::vector<CaptureStream::PortName>{{0, "a"}, {1, "b"}}, 0);
    for (unsigned i = 0; i < lanes; ++i) world.lane(i).captures().begin(capture);
  }
  ~Capturing() { end(); }

  void end() {
    for (unsigned i = 0; i < lanes_; ++i) world_.lane(i).captures().end(*capture);
  }
  std::vector<PcapngBlock> read(size_t limit = ~size_t{0}, Nanoseconds now = 0) {
    Bytes bytes;
    stream->read(bytes, limit, now);
    return read_pcapng(bytes);
  }
  std::vector<PcapngBlock> packets() {
    std::vector<PcapngBlock> blocks = read();
    std::erase_if(blocks, [](const PcapngBlock& block) { return block.type != kPacketBlock; });
    return blocks;
  }
  /// How packets ended, ARP and ND apart.
  Texts comments() {
    Texts texts;
    for (const PcapngBlock& packet : packets()) {
      if (packet.bytes.at(12) != 8 || packet.bytes.at(13) != 6) texts.push_back(packet.comment);
    }
    return texts;
  }

  std::shared_ptr<LiveCapture> capture;
  std::unique_ptr<CaptureStream> stream;

 private:
  World& world_;
  unsigned lanes_;
};

CaptureOptions filtered(const std::string& text) {
  CaptureOptions options;
  options.filter = std::make_shared<PacketFilter>(text);
  return options;
}

Frame datagram(uint16_t port = 2000, const char* to = kServer) {
  return Frame().from(kClient, 1000).to(to, port).udp();
}

TEST(Capture, BeginsWithItsInterfaces) {
  World world({});
  Capturing capturing(world);
  const auto blocks = capturing.read();
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(blocks[0].type, kSectionBlock);
  EXPECT_EQ(blocks[1].name, "a");
  EXPECT_EQ(blocks[2].name, "b");
  EXPECT_TRUE(capturing.read().empty());
}

TEST(Capture, HasPacketsAsTheyCameWithTheirExit) {
  World world({});
  world.send(0, datagram());  // the neighbour is known then
  Capturing capturing(world);
  const Frame frame = datagram().payload("as it came").ttl(9).macs(peer_mac(0), own_mac(0));
  const Nanoseconds before = world.now();
  world.send(0, frame);
  const auto packets = capturing.packets();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].bytes, Frame(frame).bytes()) << "hops and addresses of the link included";
  EXPECT_EQ(packets[0].original, packets[0].bytes.size());
  EXPECT_EQ(packets[0].comment, "forwarded, exit b");
  EXPECT_EQ(packets[0].interface, 0u);
  EXPECT_EQ(packets[0].direction, 1u);
  EXPECT_GE(packets[0].time, before);
  EXPECT_LE(packets[0].time, world.now());
}

TEST(Capture, TellsEveryEndByItsReason) {
  World::Options o;
  o.services = service_json({kServer}, "10.9.9.9", "udp");
  World world(o);
  world.send(0, datagram());
  Capturing capturing(world);
  world.send(0, datagram(80, "10.9.9.9"));
  world.send(0, datagram(81, "10.9.9.9"));
  world.send(0, datagram().ttl(1));
  world.send(0, datagram(2000, "99.9.9.9"));
  world.send(0, Frame().from(kClient).to("10.0.0.1").echo(true, 7));
  world.send(0, datagram(2000, "224.0.0.1"));
  EXPECT_EQ(capturing.comments(),
            (Texts{"forwarded: service_forwarded, exit b", "rejected: no_service", "originated, exit a",
                   "rejected: ttl_exceeded", "originated, exit a", "rejected: no_route", "originated, exit a",
                   "answered: echo_answered, exit a", "dropped: multicast_ignored"}));
}

TEST(Capture, HasPacketsOfABurstInTheirOrder) {
  World world({});
  world.send(0, datagram());
  Capturing capturing(world, filtered("udp"));
  for (uint16_t i = 0; i < 30; ++i) {
    const char* to = i % 3 == 0 ? "99.9.9.9" : kServer;
    world.inject(0, datagram(i, to).macs(peer_mac(0), own_mac(0)).build(world.buffers()));
  }
  world.run();
  capturing.read(0);
  for (uint8_t i = 0; i < 30; ++i) {
    const auto one = capturing.read(1);
    ASSERT_EQ(one.size(), 1u);
    EXPECT_EQ(one[0].comment, i % 3 == 0 ? "rejected: no_route" : "forwarded, exit b");
    EXPECT_EQ(one[0].bytes.at(37), i);
  }
}

TEST(Capture, HasOurOwnPacketsAsTheyLeave) {
  World world({});
  Capturing capturing(world, filtered("icmp"));
  world.send(0, datagram().ttl(1));
  const auto packets = capturing.packets();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].comment, "originated, exit a");
  EXPECT_EQ(packets[0].interface, 0u);
  EXPECT_EQ(packets[0].direction, 2u);
  EXPECT_EQ(world.take_frames(0).at(0)->frame_length, packets[0].bytes.size());
}

TEST(Capture, NamesThePolicyThatRefuses) {
  World::Options o;
  o.workloads = R"([{"id":0,"name":"web","port":1,"addresses":["10.0.1.5"]}])";
  const std::string rule = R"("direction":"ingress","subject":[0],"peer":null,)";
  o.policies = R"({"default":"allow","selectors":[{"workloads":[0]}],"rules":[{"name":"no-telnet",)" + rule +
               R"("ports":[{"protocol":17,"first":23,"last":23}],"action":"deny"},{"name":"go-away",)" + rule +
               R"("ports":[{"protocol":17,"first":24,"last":24}],"action":"reject"}]})";
  o.flows = R"("track":"all",)";
  World world(o);
  world.send(0, datagram());
  Capturing capturing(world);
  for (uint16_t port = 23; port <= 25; ++port) world.send(0, datagram(port));
  EXPECT_EQ(capturing.comments(),
            (Texts{"dropped: policy_denied by policy no-telnet", "rejected: policy_rejected by policy go-away",
                   "originated, exit a", "forwarded, exit b"}));
}

TEST(Capture, TakesTheVerdictsThatAreWanted) {
  World world({});
  world.send(0, datagram());
  const auto only = [](Verdict verdict) {
    CaptureOptions options;
    options.verdicts = 1u << static_cast<unsigned>(verdict);
    return options;
  };
  Capturing rejected(world, only(Verdict::reject));
  Capturing forwarded(world, only(Verdict::forward));
  Capturing dropped(world, only(Verdict::drop));
  world.send(0, datagram());
  world.send(0, datagram().ttl(1));
  EXPECT_EQ(rejected.comments(), Texts{"rejected: ttl_exceeded"});
  EXPECT_EQ(forwarded.comments(), (Texts{"forwarded, exit b", "originated, exit a"}));
  EXPECT_EQ(dropped.comments(), Texts{});
}

TEST(Capture, TakesPortsAndLengthsThatAreWanted) {
  World world({});
  world.send(0, datagram());
  CaptureOptions options;
  options.ports = {"b"};
  options.snap_length = 20;
  Capturing capturing(world, options);
  Capturing whole(world, filtered("udp"));
  world.send(0, datagram());
  world.send(1, Frame().from(kServer, 1).to(kClient, 2).udp().payload_of(500));
  const auto blocks = capturing.read();
  ASSERT_EQ(blocks.size(), 4u);
  EXPECT_EQ(blocks[3].interface, 1u);
  EXPECT_EQ(blocks[3].captured, 20u);
  EXPECT_EQ(blocks[3].original, 542u);
  EXPECT_EQ(whole.packets().at(1).captured, 542u) << "each has what it wants";
}

TEST(Capture, FiltersByBytesOfAnySegment) {
  World world({});
  world.send(0, datagram());
  Capturing deep(world, filtered("udp[4000] = 0x78"));
  Capturing other(world, filtered("udp[4000] = 0x79"));
  std::string payload(8000, '.');
  payload[3992] = 'x';
  Segment* frame = datagram().payload(payload).macs(peer_mac(0), own_mac(0)).build(world.buffers());
  ASSERT_NE(frame->next, nullptr);
  world.inject(0, frame);
  world.run();
  const auto packets = deep.packets();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(std::string(packets[0].bytes.end() - 8000, packets[0].bytes.end()), payload);
  EXPECT_TRUE(other.packets().empty());
}

TEST(Capture, FillsInChecksumsThatAreLeftToTheDevice) {
  World world({});
  world.send(0, datagram());
  Capturing capturing(world);
  const Frame frame = Frame().from(kClient, 1).to(kServer, 2).tcp("A").payload_of(3001);
  world.send(0, Frame(frame).needs_checksum());
  const Bytes right = Frame(frame).macs(peer_mac(0), own_mac(0)).bytes();
  EXPECT_EQ(capturing.packets().at(0).bytes, right);
}

TEST(Capture, WaitsForTheVerdictOfWhatWaitsForItsNeighbor) {
  World::Options o;
  o.neighbors_answer = false;
  World world(o);
  Capturing capturing(world, filtered("udp"));
  world.send(0, datagram());
  EXPECT_TRUE(capturing.packets().empty());
  world.run(5'000'000'000);
  EXPECT_EQ(capturing.comments(), Texts{"rejected: neighbor_unresolved"});
}

TEST(Capture, SaysWhatAPortRefuses) {
  World world({});
  world.send(0, datagram());
  Capturing capturing(world, filtered("udp"));
  constexpr uint16_t kPackets = 4200;  // more than the port's queue holds
  for (uint16_t i = 0; i < kPackets; ++i) {
    world.inject(0, datagram(i).macs(peer_mac(0), own_mac(0)).build(world.buffers()));
    world.lane(0).iterate(world.now());
  }
  const Texts comments = capturing.comments();
  const auto refused = static_cast<uint64_t>(std::count(comments.begin(), comments.end(), "dropped: port_queue_full"));
  EXPECT_EQ(comments.size(), kPackets);
  EXPECT_GT(refused, 0u);
  EXPECT_EQ(refused, world.count(Reason::port_queue_full));
}

TEST(Capture, SaysWhatEndsInOurOwnTcp) {
  World::Options o;
  o.services = service_json({kServer});
  o.listeners = listener_json("10.8.8.8", 9000);
  World world(o);
  world.send(0, datagram());
  Capturing capturing(world, filtered("tcp"));
  world.send(0, Frame().from(kClient, 4000).to("10.8.8.8", 9000).tcp("S"));
  world.send(0, Frame().from(kClient, 4001).to("10.8.8.8", 9001).tcp("S"));
  EXPECT_EQ(capturing.comments(),
            (Texts{"terminated: tcp_terminated", "originated, exit a", "rejected: no_service", "originated, exit a"}));
}

TEST(Capture, EndsAtItsLimit) {
  World world({});
  world.send(0, datagram());
  CaptureOptions options;
  options.limit = 3;
  Capturing capturing(world, options);
  for (int i = 0; i < 5; ++i) world.send(0, datagram());
  EXPECT_FALSE(capturing.stream->full());
  EXPECT_EQ(capturing.packets().size(), 3u);
  EXPECT_TRUE(capturing.stream->full());
  EXPECT_TRUE(capturing.packets().empty());
}

TEST(Capture, LosesAndCountsWhatNobodyTakes) {
  World world({});
  world.send(0, datagram());
  Capturing capturing(world);
  capturing.read();
  constexpr uint64_t kPackets = 20'000;
  for (uint64_t i = 0; i < kPackets; ++i) {
    world.send(0, datagram().payload_of(1400));
    if (i % 1000 == 0) world.take_frames(1);
  }
  uint64_t taken = 0;
  Nanoseconds now = 0;
  std::vector<PcapngBlock> told;
  for (bool more = true; more;) {
    more = false;
    for (PcapngBlock& block : capturing.read(1 << 16, now += 300'000'000)) {
      if (block.type == kStatisticsBlock) told.push_back(block);
      if (block.type == kPacketBlock) ++taken, more = true;
    }
  }
  const uint64_t lost = capturing.stream->lost();
  EXPECT_EQ(taken, capturing.stream->packets());
  EXPECT_EQ(taken + lost, kPackets);
  EXPECT_GT(lost, 0u);
  EXPECT_GT(taken, CaptureFeed::kRingSize / 1600);
  ASSERT_EQ(told.size(), 1u) << "as soon as a second has gone, and not again";
  EXPECT_EQ(told[0].interface, 0u);
  EXPECT_EQ(told[0].dropped, lost);
  // What came later finds room again.
  world.send(0, datagram());
  EXPECT_EQ(capturing.comments(), Texts{"forwarded, exit b"});
  capturing.end();
  Bytes bytes;
  capturing.stream->finish(bytes, now);
  const auto end = read_pcapng(bytes);
  ASSERT_EQ(end.size(), 2u) << "every interface";
  EXPECT_EQ(end[0].received, kPackets + 1);
  EXPECT_EQ(end[0].accepted, kPackets + 1);
  EXPECT_EQ(end[0].dropped, lost);
  EXPECT_EQ(end[1].received, 0u);
}

TEST(Capture, CountsWhatFindsNoRoomWhileItsVerdictIsNotKnown) {
  World::Options o;
  o.neighbors_answer = false;
  World world(o);
  Capturing capturing(world, filtered("udp"));
  // Large frames that wait for neighbours, eight for each, hold the copies.
  for (uint16_t i = 0; i < 1000; ++i) {
    const std::string to = "10.0.1." + std::to_string(2 + i / 8);
    world.inject(0, datagram(i, to.c_str()).payload_of(40'000).macs(peer_mac(0), own_mac(0)).build(world.buffers()));
    world.run();
  }
  world.run(10'000'000'000);
  const uint64_t packets = capturing.packets().size();
  EXPECT_GT(packets, 0u);
  EXPECT_GT(capturing.stream->lost(), 0u);
  EXPECT_EQ(packets + capturing.stream->lost(), 1000u);
}

TEST(Capture, LeavesNothingBehind) {
  World::Options o;
  o.neighbors_answer = false;
  World world(o);
  {
    Capturing capturing(world);
    world.send(0, datagram());
  }
  LaneCaptures& captures = world.lane(0).captures();
  EXPECT_FALSE(captures.running());
  EXPECT_TRUE(captures.watching()) << "a frame that waits has a copy";
  world.run(1'000'000'000);
  EXPECT_TRUE(captures.lingering());
  world.run(9'000'000'000);
  EXPECT_FALSE(captures.lingering());
  EXPECT_FALSE(captures.watching());
  for (const unsigned port : {0u, 1u, 0u, 1u}) world.take_frames(port);
  EXPECT_EQ(world.buffers_in_use(), 0u);
  EXPECT_EQ(world.count(Reason::neighbor_unresolved), 1u);
}

TEST(Capture, IsNotTakenForAnotherOneInItsPlace) {
  World::Options o;
  o.neighbors_answer = false;
  World world(o);
  {
    Capturing before(world, filtered("udp port 2000"));
    world.send(0, datagram());
  }
  Capturing capturing(world, filtered("udp port 3000"));
  world.send(0, datagram(3000));
  world.run(5'000'000'000);
  const auto packets = capturing.packets();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].bytes.at(37), 3000 % 256);
}

TEST(Capture, FollowsPacketsToOtherLanes) {
  World::Options o;
  o.lanes = 3;
  o.services = service_json({"10.0.1.11", "10.0.1.12"}, "10.9.9.9", "udp");
  World world(o);
  Capturing capturing(world, filtered("udp"), 3);
  std::set<Bytes> sent;
  for (uint16_t i = 0; i < 60; ++i) {
    const Frame frame = Frame().from(kClient, static_cast<uint16_t>(1000 + i)).to("10.9.9.9", 80).udp();
    sent.insert(Frame(frame).macs(peer_mac(0), own_mac(0)).bytes());
    world.send(0, frame, i % 3);
  }
  uint64_t handed_over = 0;
  for (unsigned i = 0; i < 3; ++i) handed_over += world.lane(i).counters().handed_over.read();
  EXPECT_GT(handed_over, 20u);
  for (const PcapngBlock& packet : capturing.packets()) {
    EXPECT_EQ(packet.comment, "forwarded: service_forwarded, exit b");
    EXPECT_EQ(sent.erase(packet.bytes), 1u);
  }
  EXPECT_TRUE(sent.empty());
  capturing.end();
  world.run(10'000'000);
  for (unsigned i = 0; i < 3; ++i) EXPECT_FALSE(world.lane(i).captures().lingering());
}

TEST(Capture, KnowsPortsThatComeLaterByTheirNames) {
  World::Options o;
  o.ports = 3;
  World world(o);
  Capturing capturing(world, filtered("udp"));
  capturing.read();
  world.send(2, Frame().from("10.0.2.2", 1).to(kServer, 2).udp());
  const auto blocks = capturing.read();
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[0].name, "c");
  EXPECT_EQ(blocks[1].interface, 2u);
}

TEST(Capture, HasTheNodesOwnPackets) {
  World::Options o;
  o.node = true;
  World world(o);
  Capturing capturing(world, filtered("udp"));
  world.send(0, datagram(53, "10.0.0.1"));
  EXPECT_EQ(capturing.comments(), Texts{"forwarded, exit a (host)"});
}

TEST(Capture, HasWhatPassesBetweenJoinedPorts) {
  World::Options o;
  o.joined = true;
  World world(o);
  Capturing capturing(world);
  world.send(0, datagram());
  EXPECT_EQ(capturing.comments(), Texts{"forwarded: passed_on, exit b"});
}

/// Any of what may come, right or wrong.
Frame any_frame(std::mt19937& random) {
  const auto draw = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  static constexpr const char* kTargets[] = {kServer, "10.9.9.9", "10.0.0.1", "99.9.9.9", "10.8.8.8", "10.0.1.77"};
  Frame frame = Frame().from(kClient, static_cast<uint16_t>(1000 + draw(50)));
  frame.to(kTargets[draw(6)], draw(2) != 0 ? 80 : 9000).ttl(static_cast<uint8_t>(1 + draw(3)));
  switch (draw(4)) {
    case 0:
      frame.tcp(draw(2) != 0 ? "S" : "A", draw(1000));
      break;
    case 1:
      frame.echo(true, static_cast<uint16_t>(draw(9)));
      break;
    default:
      frame.udp();
  }
  frame.payload_of(draw(3) == 0 ? 0 : draw(3000));
  if (draw(8) == 0) frame.fragment(static_cast<uint16_t>(draw(9)), draw(2) * 8, 8);
  return frame;
}

/// Whatever comes, the capture says of each reason what the counters say.
void agree(unsigned lanes, unsigned seed) {
  World::Options o;
  o.lanes = lanes;
  o.services = service_json({kServer, "10.0.1.6"}, "10.9.9.9", "udp");
  o.listeners = listener_json("10.8.8.8", 9000);
  World world(o);
  Capturing capturing(world, filtered("ip"), lanes);
  std::mt19937 random(seed);
  std::multiset<Bytes> sent;
  for (int i = 0; i < 2000; ++i) {
    Frame frame = any_frame(random);
    sent.insert(Frame(frame).macs(peer_mac(0), own_mac(0)).bytes());
    world.send(0, frame, static_cast<unsigned>(random() % lanes));
    if (random() % 50 == 0) world.run(random() % 2'000'000'000);
  }
  world.run(60'000'000'000);
  std::map<std::string, uint64_t> seen;
  for (const PcapngBlock& packet : capturing.packets()) {
    const std::string how = packet.comment.substr(0, packet.comment.find(','));
    const size_t reason = how.find(": ");
    ++seen[reason == std::string::npos ? how : how.substr(reason + 2)];
    if (packet.direction != 1) continue;
    const auto found = sent.find(packet.bytes);
    ASSERT_NE(found, sent.end()) << packet.comment;
    sent.erase(found);
  }
  EXPECT_TRUE(sent.empty()) << sent.size() << " have no verdict";
  EXPECT_EQ(capturing.stream->lost(), 0u);
  EXPECT_GT(seen.size(), 8u);
  for (size_t i = 0; i < kReasons; ++i) {
    const auto reason = static_cast<Reason>(i);
    const bool of_arp = reason == Reason::arp_answered || reason == Reason::neighbor_learned;
    if (of_arp || reason == Reason::originated) continue;
    EXPECT_EQ(seen[std::string(info(reason).name)], world.count(reason)) << info(reason).name;
  }
  capturing.end();
  world.run(100'000'000);
  for (unsigned i = 0; i < lanes; ++i) EXPECT_FALSE(world.lane(i).captures().lingering());
}

TEST(Capture, AgreesWithTheCounters) {
  for (unsigned seed = 0; seed < 3; ++seed) agree(1, seed);
}
TEST(Capture, AgreesWithTheCountersOfSeveralLanes) {
  for (unsigned seed = 0; seed < 3; ++seed) agree(3, seed);
}

}  // namespace
}  // namespace flatproxy::test
