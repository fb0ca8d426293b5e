#include "port/prepare.h"

#include <gtest/gtest.h>

#include "port/tcp_cutter.h"
#include "port_frames.h"

namespace flatproxy {
namespace {

using namespace port_test;

/// Takes up to `room` packets, keeps what it took.
struct Sink : WireSender {
  explicit Sink(uint32_t limit = ~0u) : room(limit) {}
  ~Sink() {
    for (Segment* frame : taken) release(frame);
  }
  void send_wire(QueueContext&, Burst& burst) override {
    const uint32_t n = std::min(room, burst.count);
    taken.insert(taken.end(), burst.begin(), burst.begin() + n);
    std::copy(burst.begin() + n, burst.end(), burst.begin());
    burst.count -= n;
    room -= n;
  }
  uint32_t room;
  std::vector<Segment*> taken;
};

class Prepare : public testing::Test {
 protected:
  TcpShape random_shape() {
    TcpShape s;
    s.v6 = random() % 2 != 0;
    s.tags = random() % 3;
    s.ip_options = random() % 3 * 8;
    s.tcp_options = random() % 11 * 4;
    s.flags = static_cast<uint8_t>(random());
    return s;
  }
  void check_packet(const Bytes& whole, const Bytes& packet, const TcpShape& s, uint32_t at, uint32_t index,
                    bool last) {
    const uint32_t l3 = l3_of(s), l4 = l4_of(s), headers = headers_of(s);
    EXPECT_TRUE(l4_checksum_right(packet, l3, l4, s.v6, 6));
    if (s.v6) {
      EXPECT_EQ(load_be16(&packet[l3 + 4]), packet.size() - l3 - 40);
    } else {
      EXPECT_EQ(load_be16(&packet[l3 + 2]), packet.size() - l3);
      EXPECT_EQ(load_be16(&packet[l3 + 4]), static_cast<uint16_t>(load_be16(&whole[l3 + 4]) + index));
      EXPECT_TRUE(ipv4_checksum_right(packet, l3));
    }
    EXPECT_EQ(load_be32(&packet[l4 + 4]), load_be32(&whole[l4 + 4]) + at);
    const uint8_t wanted = static_cast<uint8_t>(s.flags & (last ? 0xff : ~0x09) & (index == 0 ? 0xff : ~0x80));
    EXPECT_EQ(packet[l4 + 13], wanted);
    EXPECT_TRUE(std::equal(&packet[l4 + 20], &packet[headers - 1] + 1, &whole[l4 + 20]));
  }

  Random random{7};
  Buffers buffers{4096, 256};
  QueueContext context{buffers, 0};
  PortInfo info;
};

TEST_F(Prepare, CompletesChecksumsAcrossSegmentBorders) {
  for (int i = 0; i < 500; ++i) {
    TcpShape s = random_shape();
    s.payload = random() % 9000;
    const Bytes bytes = tcp_bytes(s, random);
    Segment* frame = chain_of(bytes, buffers, random);
    make_needy(frame, s);
    ASSERT_TRUE(complete_checksum(frame));
    EXPECT_EQ(frame->flags, 0);
    EXPECT_TRUE(l4_checksum_right(bytes_of(frame), l3_of(s), l4_of(s), s.v6, 6));
    release(frame);
  }
  EXPECT_EQ(buffers.small.in_use() + buffers.large.in_use(), 0u);
}

TEST_F(Prepare, ZeroChecksumIsSentAsItsOtherForm) {
  Segment* frame = frame_of(Bytes(64, 0), buffers);
  frame->flags = kNeedsChecksum;
  frame->checksum_start = 20;
  frame->checksum_offset = 4;
  frame->data[20] = frame->data[21] = 0xff;
  ASSERT_TRUE(complete_checksum(frame));
  EXPECT_EQ(load_be16(frame->data + 24), 0xffff);
  release(frame);
}

TEST_F(Prepare, RefusesAChecksumFieldOutsideTheFrame) {
  Segment* frame = frame_of(Bytes(64, 1), buffers);
  frame->flags = kNeedsChecksum;
  frame->checksum_start = 60;
  frame->checksum_offset = 3;
  EXPECT_FALSE(complete_checksum(frame));
  frame->checksum_start = 0xffff;
  frame->checksum_offset = 0xffff;
  EXPECT_FALSE(complete_checksum(frame));
  EXPECT_EQ(bytes_of(frame), Bytes(64, 1));
  release(frame);
}

TEST_F(Prepare, CutPacketsReassembleToTheFrame) {
  for (int i = 0; i < 400; ++i) {
    TcpShape s = random_shape();
    s.payload = 1 + random() % 64000;
    const auto gso_size = static_cast<uint16_t>(64 + random() % 8000);
    const Bytes whole = tcp_bytes(s, random);
    Segment* frame = chain_of(whole, buffers, random);
    make_large(frame, s, gso_size);
    if (random() % 2 != 0) make_needy(frame, s);
    info.mtu = static_cast<uint16_t>(400 + random() % 1600);
    const uint32_t per_packet = std::min<uint32_t>(gso_size, info.mtu - (headers_of(s) - l3_of(s)));
    Burst burst;
    burst.push(frame);
    Sink sink;
    prepare_for_send(info, context, burst, sink);
    ASSERT_EQ(burst.count, 0u);
    ASSERT_EQ(sink.taken.size(), (s.payload + per_packet - 1) / per_packet);
    Bytes payload(whole.begin(), whole.begin() + headers_of(s));
    uint32_t index = 0;
    for (Segment* packet : sink.taken) {
      const Bytes bytes = bytes_of(packet);
      const bool last = index + 1 == sink.taken.size();
      EXPECT_LE(bytes.size() - l3_of(s), info.mtu);
      EXPECT_EQ(packet->flags & (kNeedsChecksum | kGsoTcp4 | kGsoTcp6), 0);
      check_packet(whole, bytes, s, index * per_packet, index, last);
      payload.insert(payload.end(), bytes.begin() + headers_of(s), bytes.end());
      ++index;
    }
    EXPECT_EQ(payload, whole);
  }
  EXPECT_EQ(buffers.small.in_use() + buffers.large.in_use(), 0u);
}

TEST_F(Prepare, LeavesChecksumsToAPortThatFillsThemIn) {
  TcpShape s;
  s.payload = 5000;
  Segment* frame = chain_of(tcp_bytes(s, random), buffers, random);
  make_large(frame, s, 1000);
  make_needy(frame, s);
  info.offloads.checksum = true;
  Burst burst;
  burst.push(frame);
  Sink sink;
  prepare_for_send(info, context, burst, sink);
  ASSERT_EQ(sink.taken.size(), 5u);
  for (Segment* packet : sink.taken) {
    EXPECT_NE(packet->flags & kNeedsChecksum, 0);
    ASSERT_TRUE(complete_checksum(packet));
    EXPECT_TRUE(l4_checksum_right(bytes_of(packet), 14, 34, false, 6));
  }
}

TEST_F(Prepare, KeepsTheRestOfAFrameThatFoundNoRoom) {
  TcpShape s;
  s.payload = 30000;
  s.flags = 0x99;
  const Bytes whole = tcp_bytes(s, random);
  for (uint32_t room = 0; room < 40; ++room) {
    Burst burst;
    burst.push(frame_of(udp_bytes(30, random), buffers));
    burst.push(chain_of(whole, buffers, random));
    make_large(burst.frames[1], s, 1000);
    make_needy(burst.frames[1], s);
    burst.push(frame_of(udp_bytes(40, random), buffers));
    Sink first(room);
    prepare_for_send(info, context, burst, first);
    ASSERT_EQ(first.taken.size(), std::min<uint32_t>(room, 32));
    uint32_t left = 0;
    for (Segment* frame : burst) left += wire_segments(frame);
    EXPECT_EQ(left + first.taken.size(), 32u);
    Sink second;
    prepare_for_send(info, context, burst, second);
    std::vector<Segment*> all = first.taken;
    all.insert(all.end(), second.taken.begin(), second.taken.end());
    ASSERT_EQ(all.size(), 32u);
    for (uint32_t i = 0; i < 30; ++i) check_packet(whole, bytes_of(all[i + 1]), s, i * 1000, i, i == 29);
  }
  EXPECT_EQ(buffers.small.in_use() + buffers.large.in_use(), 0u);
}

TEST_F(Prepare, AnEmptyPoolKeepsTheFrameAndLetsOthersPass) {
  Buffers few(3, 4);
  QueueContext tight{few, 0};
  TcpShape s;
  s.payload = 9000;
  Burst burst;
  burst.push(chain_of(tcp_bytes(s, random), buffers, random));
  make_large(burst.frames[0], s, 1000);
  burst.push(frame_of(udp_bytes(40, random), buffers));
  {
    Sink sink;
    prepare_for_send(info, tight, burst, sink);
    EXPECT_EQ(sink.taken.size(), 4u);
    ASSERT_EQ(burst.count, 1u);
    EXPECT_EQ(wire_segments(burst.frames[0]), 6u);
    release(burst.frames[0]);
  }
  EXPECT_EQ(few.small.in_use(), 0u);
}

TEST_F(Prepare, RefusesWhatIsNoTcpAndPacketsWithoutBound) {
  TcpShape s;
  s.payload = 60000;
  Segment* frame = chain_of(tcp_bytes(s, random), buffers, random);
  make_large(frame, s, 1);
  EXPECT_FALSE(TcpCutter(frame, 1500, false).valid());
  frame->gso_size = 1460;
  EXPECT_TRUE(TcpCutter(frame, 1500, false).valid());
  EXPECT_FALSE(TcpCutter(frame, 40, false).valid());
  frame->data[23] = 17;
  EXPECT_FALSE(TcpCutter(frame, 1500, false).valid());
  frame->data[23] = 6;
  frame->data[20] = 0x20;  // more fragments
  EXPECT_FALSE(TcpCutter(frame, 1500, false).valid());
  frame->data[20] = 0;
  frame->data[46] = 0x40;  // a TCP header of 16 bytes
  EXPECT_FALSE(TcpCutter(frame, 1500, false).valid());
  release(frame);
}

TEST_F(Prepare, HeadersCutShortAnywhereAreRefused) {
  for (int i = 0; i < 200; ++i) {
    TcpShape s = random_shape();
    s.payload = 3000;
    Bytes bytes = tcp_bytes(s, random);
    bytes.resize(1 + random() % headers_of(s));
    Segment* frame = frame_of(bytes, buffers);
    make_large(frame, s, 1000);
    EXPECT_FALSE(TcpCutter(frame, 1500, false).valid());
    Burst burst;
    burst.push(frame);
    Sink sink;
    prepare_for_send(info, context, burst, sink);
    ASSERT_EQ(burst.count, 1u);
    release(frame);
  }
}

}  // namespace
}  // namespace flatproxy
