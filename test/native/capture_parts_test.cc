// What captures are made of: the blocks of pcapng, rings of records, filters.
#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "capture/packet_filter.h"
#include "packet/error.h"
#include "port/pcapng.h"
#include "port/record_ring.h"
#include "support/frames.h"
#include "support/pcapng.h"

namespace flatproxy {
namespace {

using test::Frame;
using Bytes = std::vector<uint8_t>;

constexpr Nanoseconds kTime = 1'700'000'000'123'456'789;

TEST(Pcapng, WritesASectionAndItsInterfaces) {
  Bytes bytes;
  PcapngBlocks blocks(bytes);
  blocks.section("flatproxy");
  blocks.interface(262'144, "uplink");
  blocks.interface(96, "");
  const auto read = test::read_pcapng(bytes);
  ASSERT_EQ(read.size(), 3u);
  EXPECT_EQ(read[0].type, test::kSectionBlock);
  EXPECT_EQ(read[0].name, "flatproxy");
  EXPECT_EQ(read[1].type, test::kInterfaceBlock);
  EXPECT_EQ(read[1].name, "uplink");
  EXPECT_EQ(read[1].snap_length, 262'144u);
  EXPECT_EQ(read[1].resolution, 9) << "nanoseconds";
  EXPECT_EQ(read[2].name, "");
  EXPECT_EQ(read[2].snap_length, 96u);
}

TEST(Pcapng, WritesPacketsOfAnyLength) {
  for (uint32_t length = 0; length < 9; ++length) {
    Bytes bytes;
    PcapngBlocks blocks(bytes);
    const std::string comment(length, 'c');
    uint8_t* to = blocks.packet({.interface = 3,
                                 .time = kTime,
                                 .captured = length,
                                 .original = 1500,
                                 .direction = PcapngBlocks::Direction::outbound,
                                 .comment = comment});
    std::iota(to, to + length, uint8_t{1});
    const auto read = test::read_pcapng(bytes);
    ASSERT_EQ(read.size(), 1u);
    EXPECT_EQ(read[0].type, test::kPacketBlock);
    EXPECT_EQ(read[0].interface, 3u);
    EXPECT_EQ(read[0].time, kTime);
    EXPECT_EQ(read[0].original, 1500u);
    EXPECT_EQ(read[0].bytes.size(), length);
    for (uint32_t i = 0; i < length; ++i) EXPECT_EQ(read[0].bytes[i], i + 1);
    EXPECT_EQ(read[0].comment, comment);
    EXPECT_EQ(read[0].direction, 2u);
  }
}

TEST(Pcapng, APacketNeedsNoOptions) {
  Bytes bytes;
  PcapngBlocks(bytes).packet({.time = kTime, .captured = 60, .original = 60});
  EXPECT_EQ(bytes.size(), 32u + 60u);
  EXPECT_EQ(test::read_pcapng(bytes).at(0).comment, "");
}

TEST(Pcapng, CutsAnEndlessComment) {
  Bytes bytes;
  const std::string comment(100'000, 'x');
  PcapngBlocks(bytes).packet({.captured = 4, .original = 4, .comment = comment});
  EXPECT_EQ(test::read_pcapng(bytes).at(0).comment.size(), 65'532u);
}

TEST(Pcapng, WritesStatistics) {
  Bytes bytes;
  PcapngBlocks(bytes).statistics(
      {.interface = 1, .begin = kTime, .end = kTime + 5, .received = 1u << 20, .accepted = 7, .dropped = ~uint64_t{0}});
  const auto read = test::read_pcapng(bytes).at(0);
  EXPECT_EQ(read.type, test::kStatisticsBlock);
  EXPECT_EQ(read.interface, 1u);
  EXPECT_EQ(read.time, kTime + 5);
  EXPECT_EQ(read.begin, kTime);
  EXPECT_EQ(read.end, kTime + 5);
  EXPECT_EQ(read.received, 1u << 20);
  EXPECT_EQ(read.accepted, 7u);
  EXPECT_EQ(read.dropped, ~uint64_t{0});
}

/// A record of `size` bytes that all are `value`. False: there is no room.
bool push(RecordRing& ring, uint32_t size, uint8_t value) {
  std::byte* to = ring.reserve(size);
  if (to == nullptr) return false;
  std::fill_n(to, size, std::byte{value});
  ring.commit();
  return true;
}

TEST(RecordRing, BringsRecordsInTheirOrderAcrossItsEnd) {
  RecordRing ring(1024);
  uint32_t pushed = 0;
  uint32_t popped = 0;
  const auto size_of = [](uint32_t n) { return 1 + n * 37 % 200; };
  for (; popped < 5000; ++popped) {
    while (push(ring, size_of(pushed), static_cast<uint8_t>(pushed))) ++pushed;
    const auto record = ring.read();
    ASSERT_EQ(record.size(), size_of(popped));
    EXPECT_EQ(record.front(), std::byte{static_cast<uint8_t>(popped)});
    EXPECT_EQ(record.back(), std::byte{static_cast<uint8_t>(popped)});
    if (popped % 3 != 0) ring.release();
  }
}

TEST(RecordRing, HoldsNoMoreThanItsMemory) {
  RecordRing ring(256);
  EXPECT_TRUE(ring.read().empty());
  EXPECT_EQ(ring.reserve(249), nullptr);
  EXPECT_TRUE(push(ring, 248, 1)) << "exactly all of it";
  EXPECT_FALSE(push(ring, 1, 2));
  const auto record = ring.read();
  EXPECT_EQ(record.size(), 248u);
  EXPECT_TRUE(ring.read().empty());
  EXPECT_FALSE(push(ring, 1, 2)) << "it stays until it is released";
  EXPECT_EQ(record.back(), std::byte{1});
  ring.release();
  EXPECT_TRUE(push(ring, 100, 3));
}

TEST(RecordRing, ARecordThatIsNotCommittedIsNotThere) {
  RecordRing ring(256);
  EXPECT_NE(ring.reserve(200), nullptr);
  EXPECT_TRUE(ring.read().empty());
  EXPECT_TRUE(push(ring, 100, 4)) << "its room is given again";
  EXPECT_EQ(ring.read().size(), 100u);
}

TEST(RecordRing, CrossesThreads) {
  RecordRing ring(1 << 12);
  constexpr uint32_t kRecords = 20'000;
  std::thread producer([&] {
    for (uint32_t i = 0; i < kRecords;) {
      if (push(ring, 1 + i % 300, static_cast<uint8_t>(i))) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (uint32_t i = 0; i < kRecords;) {
    const auto record = ring.read();
    if (record.empty()) {
      std::this_thread::yield();
      continue;
    }
    const bool whole = record.size() == 1 + i % 300 && record.front() == std::byte{static_cast<uint8_t>(i)} &&
                       record.back() == record.front();
    EXPECT_TRUE(whole) << i;
    ring.release();
    ++i;
  }
  producer.join();
}

bool matches(const std::string& filter, const Frame& frame) {
  const Bytes bytes = frame.bytes();
  const auto length = static_cast<uint32_t>(bytes.size());
  return PacketFilter(filter).matches(bytes.data(), length, length);
}

TEST(PacketFilter, IsTcpdumps) {
  const Frame web = Frame().from("10.0.0.2", 4000).to("10.0.1.5", 80).tcp("S");
  EXPECT_TRUE(matches("tcp port 80", web));
  EXPECT_TRUE(matches("src host 10.0.0.2 and dst net 10.0.1.0/24", web));
  EXPECT_TRUE(matches("tcp[tcpflags] & tcp-syn != 0", web));
  EXPECT_TRUE(matches("ether src 02:00:00:00:00:01", web));
  EXPECT_FALSE(matches("udp", web));
  EXPECT_FALSE(matches("port 443", web));
  EXPECT_TRUE(matches("ip6 and udp dst port 53", Frame().from("fd00::2", 9).to("fd00::3", 53).udp()));
}

TEST(PacketFilter, KnowsTheLengthOfTheWholeFrame) {
  const Bytes bytes = Frame().from("10.0.0.2", 1).to("10.0.1.5", 2).udp().payload_of(1000).bytes();
  const PacketFilter long_ones("greater 1000");
  EXPECT_TRUE(long_ones.matches(bytes.data(), 60, static_cast<uint32_t>(bytes.size())));
  EXPECT_FALSE(long_ones.matches(bytes.data(), 60, 60));
  // Beyond what is there nothing matches.
  for (const char* text : {"ether[500] = 7", "ether[500] != 7"})
    EXPECT_FALSE(PacketFilter(text).matches(bytes.data(), 60, 1042)) << text;
}

template <typename Make>
Error refusal(Make&& make) {
  try {
    make();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "it was not refused";
  return Error("", "");
}

TEST(PacketFilter, RefusesInLibpcapsWords) {
  const Error syntax = refusal([] { PacketFilter("tcp prot 80"); });
  EXPECT_EQ(syntax.code, "ERR_FLATPROXY_ARGUMENT");
  EXPECT_NE(std::string(syntax.what()).find("the filter 'tcp prot 80' is refused: "), std::string::npos);
  EXPECT_NE(std::string(syntax.what()).find("syntax error"), std::string::npos);
  EXPECT_FALSE(syntax.remedy.empty());
  EXPECT_EQ(refusal([] { PacketFilter("tcp and udp"); }).code, "ERR_FLATPROXY_ARGUMENT") << "it matches nothing";
  EXPECT_EQ(refusal([] { PacketFilter(std::string("tcp\0x", 5)); }).code, "ERR_FLATPROXY_ARGUMENT");
}

TEST(PacketFilter, RefusesToLoop) {
  const Error error = refusal([] { PacketFilter("ip6 protochain 6"); });
  EXPECT_EQ(error.code, "ERR_FLATPROXY_ARGUMENT");
  EXPECT_NE(std::string(error.what()).find("loops"), std::string::npos);
}

TEST(PacketFilter, NamesThePackageThatIsMissing) {
  const char* const none[] = {"libpcap.so.none"};
  const Error error = refusal([&] { PacketFilter("tcp", none); });
  EXPECT_EQ(error.code, "ERR_FLATPROXY_NOT_FOUND");
  EXPECT_NE(error.remedy.find("libpcap0.8"), std::string::npos);
}

}  // namespace
}  // namespace flatproxy
