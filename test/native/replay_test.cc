#include "replay/replay.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "packet/error.h"
#include "support/frames.h"
#include "support/plan_text.h"

namespace flatproxy {
namespace {

using test::Frame;

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr Nanoseconds kStart = 1'700'000'000 * kSecond;
constexpr uint16_t kClients = 0;
constexpr uint16_t kServers = 2;

/// A pcap file with nanoseconds, packet by packet.
class CaptureFile {
 public:
  CaptureFile() { put({0xa1b23c4d, 0x00040002, 0, 0, 65535, 1}); }
  CaptureFile& add(Nanoseconds time, const Frame& frame, uint32_t missing = 0) {
    const std::vector<uint8_t> bytes = frame.bytes();
    const auto size = static_cast<uint32_t>(bytes.size());
    put({static_cast<uint32_t>(time / kSecond), static_cast<uint32_t>(time % kSecond), size - missing, size});
    text_.append(reinterpret_cast<const char*>(bytes.data()), size - missing);
    return *this;
  }
  CaptureFile& cut(size_t bytes) {
    text_.resize(text_.size() - bytes);
    return *this;
  }
  void store(const std::string& path) const { std::ofstream(path, std::ios::binary) << text_; }

 private:
  void put(std::initializer_list<uint32_t> words) {
    for (const uint32_t word : words) text_.append(reinterpret_cast<const char*>(&word), 4);
  }
  std::string text_;
};

class ReplayTest : public testing::Test {
 protected:
  ReplayTest() {
    char name[] = "/tmp/flatproxy-replay-XXXXXX";
    folder_ = mkdtemp(name);
    plan_.flows = std::string(test::kFlows);
    plan_.policies =
        R"({"default":"allow","selectors":[{"cidrs":["10.0.1.5/32"],"except":[]},{"cidrs":["10.0.0.0/24"],"except":[]}],)"
        R"("rules":[{"name":"web","direction":"ingress","subject":[0],"peer":[1],)"
        R"("ports":[{"protocol":6,"first":80,"last":80}],"action":"allow"}]})";
    plan_.workloads = "[]";
  }
  ~ReplayTest() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  ReplayResult run() {
    ReplayProgress progress;
    return replay(plan_.text(), options_, progress);
  }
  std::string failure() {
    try {
      run();
    } catch (const Error& error) {
      return error.code + " " + error.what();
    }
    return {};
  }
  ReplayTest& input(uint16_t port, const CaptureFile& file) {
    const std::string at = path("in-" + std::to_string(port));
    file.store(at);
    options_.inputs.push_back({port, at});
    return *this;
  }

  std::string folder_;
  test::PlanText plan_;
  ReplayOptions options_;
};

uint64_t packets(const ReplayResult& result, Reason reason) { return result.reasons[static_cast<size_t>(reason)]; }

Frame request(uint16_t source, uint16_t port = 80, const char* from = "10.0.0.7") {
  return Frame().from(from, source).to("10.0.1.5", port).tcp("S", 100);
}
Frame answer(uint16_t source) { return Frame().from("10.0.1.5", 80).to("10.0.0.7", source).tcp("SA", 500, 101); }

TEST_F(ReplayTest, JudgesFlowsOfAllPortsInTheOrderOfTime) {
  input(kClients,
        CaptureFile{}.add(kStart, request(4000)).add(kStart + 5, request(4001, 22)).add(kStart + 9, request(4001, 22)));
  input(kServers, CaptureFile{}.add(kStart + 1, answer(4000)));
  const ReplayResult result = run();
  EXPECT_EQ(result.packets, 4u);
  EXPECT_EQ(packets(result, Reason::forwarded), 2u);
  EXPECT_EQ(packets(result, Reason::policy_default_deny), 2u);
  EXPECT_EQ(result.policies.at(0).flows, 2u);
  EXPECT_EQ(result.policies.at(0).packets, 4u);
  ASSERT_EQ(result.flows->size(), 2u);
  const auto flows = result.flows->read(0, 9);
  EXPECT_EQ(flows.at(0).reason, Reason::forwarded);
  EXPECT_EQ(flows.at(0).packets[kOriginal], 1u);
  EXPECT_EQ(flows.at(0).packets[kReply], 1u);
  EXPECT_EQ(flows.at(1).reason, Reason::policy_default_deny);
  EXPECT_EQ(flows.at(1).packets[kOriginal], 2u);
  EXPECT_EQ(flows.at(1).original.destination_port, 22);
  EXPECT_EQ(result.last - result.first, 9u);
}

TEST_F(ReplayTest, WritesWhatLeavesWithItsTime) {
  options_.outputs.push_back({kServers, path("out.pcap")});
  input(kClients, CaptureFile{}.add(kStart + 3, request(4000)).add(kStart + 4, request(1, 23)));
  run();
  std::ifstream file(path("out.pcap"), std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  uint32_t nanoseconds = 0;
  ASSERT_EQ(text.size(), 24 + 16 + request(4000).bytes().size());
  std::memcpy(&nanoseconds, text.data() + 28, 4);
  EXPECT_EQ(nanoseconds, 3u);
  EXPECT_EQ(static_cast<uint8_t>(text[24 + 16 + 14 + 8]), 63) << "a hop fewer";
}

TEST_F(ReplayTest, FlowsEndWhenTheirTimeIsOverAndNotBefore) {
  plan_.flows.replace(plan_.flows.find("\"udp\":9"), 7, "\"udp\":30000");
  const Frame datagram = Frame().from("10.0.0.7", 9).to("10.0.1.9", 53).udp();
  input(kClients,
        CaptureFile{}.add(kStart, datagram).add(kStart + 20 * kSecond, datagram).add(kStart + 55 * kSecond, datagram));
  const ReplayResult result = run();
  const auto flows = result.flows->read(0, 9);
  ASSERT_EQ(flows.size(), 2u);
  EXPECT_EQ(flows[0].packets[kOriginal], 2u);
  EXPECT_EQ(flows[1].packets[kOriginal], 1u);
}

TEST_F(ReplayTest, ABrokenCaptureFailsAndLeavesNothing) {
  options_.outputs.push_back({kServers, path("out.pcap")});
  std::ofstream(path("out.pcap")) << "before";
  input(kClients, CaptureFile{}.add(kStart, request(1)).add(kStart, request(2)).cut(5));
  EXPECT_EQ(failure(),
            "ERR_FLATPROXY_CAPTURE the capture " + path("in-0") + ": the file ends within a packet at offset 94");
  std::ifstream file(path("out.pcap"));
  EXPECT_EQ((std::string{std::istreambuf_iterator<char>(file), {}}), "before");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 2);
}

TEST_F(ReplayTest, PacketsHeldInPartAreRefusedOrFilled) {
  input(kClients, CaptureFile{}.add(kStart, request(1).payload_of(400)).add(kStart, request(2).payload_of(400), 300));
  EXPECT_EQ(failure(), "ERR_FLATPROXY_CAPTURE the capture " + path("in-0") +
                           ": a packet of which 154 of 454 bytes are there, at offset 494");
  options_.fill_snapped = true;
  const ReplayResult result = run();
  EXPECT_EQ(packets(result, Reason::forwarded), 2u);
  EXPECT_EQ(result.snapped, 1u);
}

TEST_F(ReplayTest, HeadersThatAreMissingAreNotMadeUp) {
  input(kClients, CaptureFile{}.add(kStart, request(1).payload_of(400), 380));
  options_.fill_snapped = true;
  EXPECT_NE(failure().find("74 of 454 bytes are there, at offset 24"), std::string::npos);
}

TEST_F(ReplayTest, TheSameSeedGivesTheSameResult) {
  CaptureFile file;
  for (uint16_t i = 0; i < 5000; ++i) {
    file.add(kStart + i * 1000, request(static_cast<uint16_t>(i * 7 + 1), i % 3 == 0 ? 80 : 81));
  }
  input(kClients, file);
  options_.seed = 7;
  const ReplayResult one = run();
  const ReplayResult other = run();
  ASSERT_EQ(one.flows->size(), other.flows->size());
  EXPECT_EQ(one.reasons, other.reasons);
  const auto a = one.flows->read(0, one.flows->size());
  const auto b = other.flows->read(0, other.flows->size());
  for (size_t i = 0; i < a.size(); ++i) ASSERT_EQ(a[i].original, b[i].original);
}

TEST_F(ReplayTest, ManyNeighboursAndFlowsLoseNothing) {
  plan_.routes = R"([{"to":"10.0.0.0/16","port":0},{"to":"10.0.1.0/24","port":2},{"to":"10.8.0.0/16","port":2}])";
  CaptureFile file;
  for (unsigned i = 0; i < 4000; ++i) {
    const std::string to = "10.8." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1);
    file.add(kStart + i / 64, Frame().from("10.0.0.7", 9).to(to, 53).udp());
  }
  options_.flow_capacity = 1024;
  const ReplayResult result = (input(kClients, file), run());
  EXPECT_EQ(packets(result, Reason::forwarded), 4000u);
  EXPECT_EQ(result.flows->size(), 4000u);
}

TEST_F(ReplayTest, EveryRefusedFlowIsListedOnceWithAllItsPackets) {
  CaptureFile file;
  for (unsigned round = 0; round < 3; ++round) {
    for (uint16_t i = 0; i < 3000; ++i)
      file.add(kStart + round * kSecond + i, request(static_cast<uint16_t>(i + 1), 81));
  }
  const ReplayResult result = (input(kClients, file), run());
  ASSERT_EQ(result.flows->size(), 3000u);
  for (const FlowRecord& flow : result.flows->read(0, 3000)) ASSERT_EQ(flow.packets[kOriginal], 3u);
  EXPECT_EQ(result.policies.at(0).flows, 3000u);
}

TEST_F(ReplayTest, ARefusedFlowThatWasQuietForLongIsAnotherOne) {
  const Nanoseconds later = kStart + 40 * kSecond;
  input(kClients,
        CaptureFile{}.add(kStart, request(1, 81)).add(kStart + kSecond, request(1, 81)).add(later, request(1, 81)));
  EXPECT_EQ(run().flows->size(), 2u);
}

TEST_F(ReplayTest, APipeIsClosedAlsoWhenNothingIsReadFromIt) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  options_.inputs.push_back({kServers, "of a pipe", ends[0]});
  options_.inputs.push_back({kClients, path("missing")});
  EXPECT_NE(failure().find("ERR_FLATPROXY_FILE"), std::string::npos);
  EXPECT_EQ(fcntl(ends[0], F_GETFD), -1) << "the reading end is closed";
  close(ends[1]);
}

TEST_F(ReplayTest, FragmentsThatHoldAllBuffersEndIt) {
  CaptureFile file;
  for (uint16_t i = 0; i < 700; ++i) {
    file.add(kStart, Frame().from("10.0.0.7", 9).to("10.0.1.9", 53).udp().payload_of(60'000).fragment(i, 8, 0));
  }
  input(kClients, file);
  EXPECT_NE(failure().find("ERR_FLATPROXY_RESOURCE"), std::string::npos);
}

TEST_F(ReplayTest, PacketsOfOneTimeComeInTheOrderOfPorts) {
  input(kServers, CaptureFile{}.add(kStart, answer(4000)));
  input(kClients, CaptureFile{}.add(kStart, request(4000)));
  const auto flows = run().flows->read(0, 9);
  ASSERT_EQ(flows.size(), 1u);
  EXPECT_EQ(flows[0].packets[kReply], 1u);
}

TEST_F(ReplayTest, IsCancelled) {
  input(kClients, CaptureFile{}.add(kStart, request(1)));
  ReplayProgress progress;
  progress.cancelled = true;
  try {
    replay(plan_.text(), options_, progress);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, "ERR_FLATPROXY_CANCELLED");
  }
}

}  // namespace
}  // namespace flatproxy
