#include "port/pcap.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "packet/error.h"
#include "port/pcap_reader.h"
#include "port_frames.h"

namespace flatproxy {
namespace {

using namespace port_test;
using Result = CaptureReader::Result;

/// Builds captures in either byte order.
struct File {
  bool swap = false;
  Bytes bytes;
  File& u16(uint16_t v) {
    if (swap) v = __builtin_bswap16(v);
    return raw(&v, 2);
  }
  File& u32(uint32_t v) {
    if (swap) v = __builtin_bswap32(v);
    return raw(&v, 4);
  }
  File& raw(const void* p, size_t n) {
    const auto* b = static_cast<const uint8_t*>(p);
    bytes.insert(bytes.end(), b, b + n);
    return *this;
  }
  File& fill(size_t n, uint8_t with) {
    bytes.insert(bytes.end(), n, with);
    return *this;
  }
  File& pcap(uint32_t magic, uint32_t link = 1) { return u32(magic).u16(2).u16(4).u32(0).u32(0).u32(65535).u32(link); }
  File& record(uint32_t seconds, uint32_t fraction, uint32_t length, uint32_t original, uint8_t with) {
    return u32(seconds).u32(fraction).u32(length).u32(original).fill(length, with);
  }
  File& section() { return u32(0x0a0d0d0a).u32(28).u32(0x1a2b3c4d).u16(1).u16(0).u32(~0u).u32(~0u).u32(28); }
  File& interface(uint8_t resolution, uint16_t link = 1, uint32_t snap = 0) {
    return u32(1).u32(32).u16(link).u16(0).u32(snap).u16(9).u16(1).fill(1, resolution).fill(3, 0).u32(0).u32(32);
  }
  File& enhanced(uint32_t id, uint64_t time, uint32_t length, uint32_t original, uint8_t with) {
    const uint32_t padded = (length + 3) / 4 * 4;
    u32(6).u32(32 + padded).u32(id).u32(static_cast<uint32_t>(time >> 32)).u32(static_cast<uint32_t>(time));
    return u32(length).u32(original).fill(padded, with).u32(32 + padded);
  }
};

struct Read {
  std::vector<std::pair<Nanoseconds, Bytes>> packets;
  std::vector<uint32_t> originals;
  Result result;
  std::string failure;
};

/// @param piece bytes that each read gives at most
Read read_all(const Bytes& bytes, size_t piece = 7) {
  size_t at = 0;
  CaptureReader reader([&](uint8_t* to, size_t n) {
    const size_t take = std::min({n, piece, bytes.size() - at});
    std::copy_n(bytes.begin() + static_cast<long>(at), take, to);
    at += take;
    return static_cast<long>(take);
  });
  Read read;
  CapturedPacket packet;
  while ((read.result = reader.next(packet)) == Result::packet) {
    read.packets.emplace_back(packet.timestamp, Bytes(packet.data, packet.data + packet.length));
    read.originals.push_back(packet.original);
  }
  read.failure = reader.failure();
  return read;
}

TEST(CaptureReader, ReadsPcapOfAllFourMagics) {
  for (const bool swap : {false, true}) {
    for (const bool nano : {false, true}) {
      File file{swap, {}};
      file.pcap(nano ? 0xa1b23c4d : 0xa1b2c3d4).record(5, 7, 60, 60, 1).record(6, 8, 20, 1500, 2);
      const Read read = read_all(file.bytes);
      EXPECT_EQ(read.result, Result::end);
      ASSERT_EQ(read.packets.size(), 2u);
      EXPECT_EQ(read.packets[0].first, 5'000'000'000u + (nano ? 7 : 7000));
      EXPECT_EQ(read.packets[0].second, Bytes(60, 1));
      EXPECT_EQ(read.originals[1], 1500u);
    }
  }
}

TEST(CaptureReader, ReadsPcapngOfBothByteOrders) {
  for (const bool swap : {false, true}) {
    File file{swap, {}};
    file.section().interface(6).interface(9).interface(0x80 | 10).interface(6, 101);
    file.enhanced(0, 1'000'001, 61, 61, 1).enhanced(1, 2'000'000'005, 60, 60, 2);
    file.u32(0x0bad).u32(16).u32(0).u32(16);  // a block of no known type
    file.enhanced(2, 3 * 1024 + 512, 60, 90, 3);
    file.u32(3).u32(16 + 64).u32(62).fill(64, 4).u32(16 + 64);  // simple
    file.section().interface(6).enhanced(0, 9, 60, 60, 5);
    const Read read = read_all(file.bytes);
    EXPECT_EQ(read.result, Result::end) << read.failure;
    ASSERT_EQ(read.packets.size(), 5u);
    EXPECT_EQ(read.packets[0].first, 1'000'001'000u);
    EXPECT_EQ(read.packets[0].second, Bytes(61, 1));
    EXPECT_EQ(read.packets[1].first, 2'000'000'005u);
    EXPECT_EQ(read.packets[2].first, 3'500'000'000u);
    EXPECT_EQ(read.packets[3].first, 3'500'000'000u) << "a packet without a time has its predecessor's";
    EXPECT_EQ(read.packets[3].second, Bytes(62, 4));
    EXPECT_EQ(read.packets[4].first, 9000u);
  }
}

TEST(CaptureReader, TellsWhatIsBrokenAndWhere) {
  const auto failure = [](const File& file) {
    const Read read = read_all(file.bytes);
    EXPECT_EQ(read.result, Result::broken);
    return read.failure;
  };
  EXPECT_EQ(failure({}), "no capture: the file is too short at offset 0");
  EXPECT_EQ(failure(File{}.u32(1).fill(40, 0)), "no capture: neither pcap nor pcapng at offset 0");
  EXPECT_EQ(failure(File{}.pcap(0xa1b2c3d4, 101)), "link type 101 is not Ethernet at offset 0");
  EXPECT_EQ(failure(File{}.pcap(0xa1b2c3d4).u32(1)), "the file ends within a packet header at offset 24");
  EXPECT_EQ(failure(File{}.pcap(0xa1b2c3d4).u32(0).u32(0).u32(99).u32(99)),
            "the file ends within a packet at offset 24");
  EXPECT_EQ(failure(File{}.pcap(0xa1b2c3d4).u32(0).u32(0).u32(~0u).u32(1)),
            "a packet of 4294967295 bytes at offset 24");
  EXPECT_EQ(failure(File{}.section().u32(5).u32(8).u32(0)), "a block of 8 bytes at offset 28");
  EXPECT_EQ(failure(File{}.section().u32(5).u32(12).u32(16)), "a block whose two lengths differ at offset 36");
  EXPECT_EQ(failure(File{}.section().enhanced(0, 0, 4, 4, 0)),
            "a packet of interface 0, which is not there at offset 28");
  EXPECT_EQ(failure(File{}.section().interface(6, 113).enhanced(0, 0, 4, 4, 0)),
            "a packet of an interface that is not Ethernet at offset 60");
  EXPECT_EQ(failure(File{}.section().interface(20)), "a time resolution that is not supported at offset 28");
}

TEST(CaptureReader, AnyPrefixOfAFileEnds) {
  File file;
  file.section().interface(9).enhanced(0, 5, 61, 61, 1).section().interface(6).enhanced(0, 1, 60, 60, 2);
  for (size_t n = 0; n < file.bytes.size(); ++n) read_all(Bytes(file.bytes.begin(), file.bytes.begin() + n), 1000);
}

class Pcap : public testing::Test {
 protected:
  Pcap() {
    char name[] = "/tmp/flatproxy-pcap-XXXXXX";
    folder = mkdtemp(name);
  }
  ~Pcap() override { std::filesystem::remove_all(folder); }
  std::string path(const std::string& name) const { return folder + "/" + name; }
  void store(const std::string& name, const Bytes& bytes) const {
    std::ofstream(path(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
  }
  Read load(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    return read_all(Bytes(std::istreambuf_iterator<char>(in), {}), 1 << 20);
  }

  Random random{1};
  Buffers buffers{1024, 64};
  std::string folder;
};

TEST_F(Pcap, GivesPacketsWhenTheirTimeHasCome) {
  store("in", File{}.pcap(0xa1b23c4d).record(2'000'000'000, 5, 60, 60, 1).record(2'000'000'000, 9, 30, 70, 2).bytes);
  PcapPort port({}, {path("in"), ""}, 2);
  EXPECT_TRUE(port.virtual_time());
  PortQueue& queue = port.queue(0);
  EXPECT_EQ(queue.next_receive(), 2'000'000'000'000'000'005u);
  EXPECT_EQ(port.queue(1).next_receive(), kNever);
  Burst burst;
  QueueContext context{buffers, queue.next_receive() - 1};
  queue.receive(context, burst);
  EXPECT_EQ(burst.count, 0u);
  context.now = queue.next_receive();
  queue.receive(context, burst);
  ASSERT_EQ(burst.count, 1u);
  EXPECT_FALSE(port.finished());
  context.now += 10;
  queue.receive(context, burst);
  ASSERT_EQ(burst.count, 2u);
  EXPECT_EQ(port.truncated(), 1u);
  EXPECT_TRUE(port.finished());
  EXPECT_TRUE(queue.up());
  EXPECT_EQ(queue.next_receive(), kNever);
  for (Segment* frame : burst) release(frame);
}

TEST_F(Pcap, WritesWhatItReadsBack) {
  constexpr Nanoseconds kTime = 1'700'000'000'123'456'789;
  for (const char* name : {"out.pcap", "out.pcapng"}) {
    TcpShape s;
    s.payload = 5000;
    const Bytes large = tcp_bytes(s, random), small = udp_bytes(33, random);
    {
      PortInfo info;
      PcapPort port(info, {"", path(name)}, 1);
      EXPECT_FALSE(port.virtual_time());
      QueueContext context{buffers, kTime};
      Burst burst;
      burst.push(chain_of(large, buffers, random));
      make_large(burst.frames[0], s, 1000);
      make_needy(burst.frames[0], s);
      burst.push(frame_of(small, buffers));
      port.queue(0).send(context, burst);
      EXPECT_EQ(burst.count, 0u);
    }
    const Read read = load(name);
    EXPECT_EQ(read.result, Result::end) << read.failure;
    ASSERT_EQ(read.packets.size(), 6u);
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(l4_checksum_right(read.packets[i].second, 14, 34, false, 6));
    EXPECT_EQ(read.packets[5].second, small);
    EXPECT_EQ(read.packets[5].first, kTime);
  }
}

TEST_F(Pcap, TimesOfTheMonotonicClockAreWrittenAsTimesOfDay) {
  {
    PcapPort port({}, {"", path("out.pcap")}, 1);
    QueueContext context{buffers, 5'000'000'000};
    Burst burst;
    burst.push(frame_of(udp_bytes(1, random), buffers));
    port.queue(0).send(context, burst);
  }
  EXPECT_GT(load("out.pcap").packets.at(0).first, 1'500'000'000'000'000'000u);
}

TEST_F(Pcap, RefusesWithATypedError) {
  store("raw", File{}.pcap(0xa1b2c3d4, 101).bytes);
  const auto code = [&](const PcapFiles& files) {
    try {
      PcapPort port({}, files, 1);
    } catch (const Error& error) {
      EXPECT_FALSE(error.remedy.empty());
      return error.code;
    }
    return std::string();
  };
  EXPECT_EQ(code({path("raw"), ""}), "ERR_FLATPROXY_CAPTURE");
  EXPECT_EQ(code({path("absent"), ""}), "ERR_FLATPROXY_FILE");
  EXPECT_EQ(code({"", path("no/folder")}), "ERR_FLATPROXY_FILE");
}

TEST_F(Pcap, ACaptureThatBreaksOnTheWayTakesThePortDown) {
  store("in", File{}.pcap(0xa1b2c3d4).record(1, 0, 60, 60, 1).u32(2).bytes);
  PcapPort port({}, {path("in"), ""}, 1);
  QueueContext context{buffers, kNever - 1};
  Burst burst;
  port.queue(0).receive(context, burst);
  ASSERT_EQ(burst.count, 1u);
  EXPECT_FALSE(port.queue(0).up());
  EXPECT_EQ(port.loss_reason(), "the file ends within a packet header at offset 100");
  release(burst.frames[0]);
}

}  // namespace
}  // namespace flatproxy
