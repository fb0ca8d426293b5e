#include "port/fault.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "port/memory.h"
#include "port_frames.h"

namespace flatproxy {
namespace {

using namespace port_test;

class Fault : public testing::Test {
 protected:
  void open(const Faults& faults) {
    PortInfo info;
    info.offloads = {true, true, true};
    memory = std::make_shared<MemoryPort>(info, 1, MemoryOptions{.ring_size = 8192, .same_thread = true});
    port = std::make_unique<FaultPort>(memory, 1, faults);
  }
  Segment* numbered(uint32_t n) {
    Bytes bytes(100, 0x55);
    store_be32(&bytes[60], n);
    return frame_of(bytes, buffers);
  }
  void send(uint32_t n) {
    Burst burst;
    burst.push(numbered(n));
    port->queue(0).send(context, burst);
    EXPECT_EQ(burst.count, 0u);
  }
  /// The numbers of what came out on the wrapped port's outside.
  std::vector<uint32_t> sent() {
    std::vector<uint32_t> numbers;
    Segment* frame;
    while (memory->take_burst(0, &frame, 1) == 1) {
      numbers.push_back(load_be32(frame->data + 60));
      release(frame);
    }
    return numbers;
  }
  std::vector<Bytes> receive_all() {
    std::vector<Bytes> frames;
    for (Burst burst;; burst.count = 0) {
      port->queue(0).receive(context, burst);
      if (burst.count == 0) return frames;
      for (Segment* frame : burst) {
        EXPECT_EQ(frame->flags & (kNeedsChecksum | kChecksumValid | kGsoTcp4), 0);
        frames.push_back(bytes_of(frame));
        release(frame);
      }
    }
  }

  Random random{3};
  Buffers buffers{8192, 4096};
  QueueContext context{buffers, 1000};
  std::shared_ptr<MemoryPort> memory;
  std::unique_ptr<FaultPort> port;
};

TEST_F(Fault, WithoutFaultsEverythingPassesInOrder) {
  open({});
  for (uint32_t i = 0; i < 100; ++i) send(i);
  std::vector<uint32_t> numbers = sent();
  ASSERT_EQ(numbers.size(), 100u);
  EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
}

TEST_F(Fault, RatesHoldAndTheSeedReplays) {
  std::vector<uint32_t> runs[3];
  for (int run = 0; run < 3; ++run) {
    open({.seed = run == 2 ? 8u : 7u, .drop = 0.1, .duplicate = 0.05, .reorder = 0.02});
    for (uint32_t i = 0; i < 5000; ++i) send(i);
    context.now += 10'000'000;
    Burst none;
    port->queue(0).send(context, none);
    port->queue(0).receive(context, none);
    runs[run] = sent();
    const FaultCounters& c = port->sent();
    EXPECT_NEAR(static_cast<double>(c.dropped), 500, 80);
    EXPECT_NEAR(static_cast<double>(c.duplicated), 225, 60);
    EXPECT_NEAR(static_cast<double>(c.reordered), 90, 40);
    EXPECT_EQ(runs[run].size(), 5000 - c.dropped + c.duplicated) << "nothing is stuck";
    EXPECT_FALSE(std::is_sorted(runs[run].begin(), runs[run].end()));
  }
  EXPECT_EQ(runs[0], runs[1]);
  EXPECT_NE(runs[0], runs[2]);
}

TEST_F(Fault, OneFaultDoesNotChangeWhomAnotherMeets) {
  std::vector<uint32_t> runs[2];
  for (int run = 0; run < 2; ++run) {
    open({.seed = 7, .drop = 0.1, .corrupt = run * 0.5});
    for (uint32_t i = 0; i < 500; ++i) {
      Burst burst;
      burst.push(frame_of(Bytes(60 + i, 0), buffers));
      port->queue(0).send(context, burst);
    }
    Segment* frame;
    while (memory->take_burst(0, &frame, 1) == 1) {
      runs[run].push_back(frame->frame_length);
      release(frame);
    }
  }
  EXPECT_EQ(runs[0], runs[1]);
}

TEST_F(Fault, AHeldPacketComesOutByTime) {
  open({.seed = 1, .reorder = 1});
  send(1);
  EXPECT_TRUE(sent().empty());
  const Nanoseconds when = port->queue(0).next_receive();
  EXPECT_EQ(when, context.now + 2'000'000);
  context.now = when;
  Burst burst;
  port->queue(0).receive(context, burst);
  EXPECT_EQ(sent(), std::vector<uint32_t>{1});
  EXPECT_EQ(port->queue(0).next_receive(), kNever);
}

TEST_F(Fault, DelayKeepsOrderAndTellsWhen) {
  open({.seed = 1, .delay = 5'000'000});
  memory->inject(0, numbered(1));
  EXPECT_TRUE(receive_all().empty());
  context.now += 1'000'000;
  memory->inject(0, numbered(2));
  EXPECT_TRUE(receive_all().empty());
  EXPECT_EQ(port->queue(0).next_receive(), 5'001'000u);
  context.now = 5'001'000;
  EXPECT_EQ(receive_all().size(), 1u);
  context.now = 6'001'000;
  EXPECT_EQ(receive_all().size(), 1u);
  EXPECT_EQ(port->received().delayed, 2u);
}

TEST_F(Fault, FlipsOneBitAndLeavesAHolderItsFrame) {
  open({.seed = 5, .corrupt = 1});
  Segment* held = numbered(9);
  held->references = 2;
  Burst burst;
  burst.push(held);
  port->queue(0).send(context, burst);
  Segment* frame;
  ASSERT_EQ(memory->take_burst(0, &frame, 1), 1u);
  const Bytes a = bytes_of(held), b = bytes_of(frame);
  int bits = 0;
  for (size_t i = 0; i < a.size(); ++i) bits += __builtin_popcount(a[i] ^ b[i]);
  EXPECT_EQ(bits, 1);
  release(held);
  release(frame);
}

TEST_F(Fault, FlipsNoBitOfBytesThatAreOnlyLent) {
  Segment* lender = buffers.large.allocate();
  lender->length = 1000;
  std::memset(lender->data, 0x55, 1000);
  const Bytes before(lender->data, lender->data + 1000);
  // Whichever bit is flipped, all but the first few are the lender's.
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    open({.seed = seed, .corrupt = 1});
    Segment* frame = numbered(1);
    frame->next = buffers.loans.borrow(lender, lender->data, 1000);
    frame->frame_length += 1000;
    Burst burst;
    burst.push(frame);
    port->queue(0).send(context, burst);
    Segment* out;
    ASSERT_EQ(memory->take_burst(0, &out, 1), 1u);
    release(out);
  }
  EXPECT_EQ(Bytes(lender->data, lender->data + 1000), before);
  EXPECT_EQ(lender->references, 1u);
  release(lender);
}

TEST_F(Fault, LargeFramesBecomePacketsWithChecksums) {
  open({.seed = 1});
  TcpShape s;
  s.payload = 60000;
  for (int i = 0; i < 70; ++i) {
    Segment* frame = chain_of(tcp_bytes(s, random), buffers, random);
    make_large(frame, s, 1448);
    make_needy(frame, s);
    frame->flags |= kChecksumValid;
    ASSERT_TRUE(memory->inject(0, frame));
  }
  const std::vector<Bytes> packets = receive_all();
  EXPECT_EQ(packets.size(), 70u * 42);
  for (const Bytes& packet : packets) ASSERT_TRUE(l4_checksum_right(packet, 14, 34, false, 6));
  EXPECT_EQ(port->received().overflowed, 0u);
}

TEST_F(Fault, AFullLineLosesAndCounts) {
  open({.seed = 1, .delay = 1'000'000'000});
  for (uint32_t i = 0; i < Impairment::kCapacity + 10; ++i) send(i);
  EXPECT_EQ(port->sent().overflowed, 10u);
  port.reset();
  memory.reset();
  EXPECT_EQ(buffers.small.in_use(), 0u);
}

}  // namespace
}  // namespace flatproxy
