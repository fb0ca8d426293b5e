#include "port/memory.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

#include "port_frames.h"

namespace flatproxy {
namespace {

using namespace port_test;

bool readable(int fd, int milliseconds = 0) {
  pollfd p{fd, POLLIN, 0};
  return poll(&p, 1, milliseconds) == 1;
}

Segment* numbered(Buffers& buffers, uint32_t n) {
  Segment* frame = buffers.small.allocate();
  store_be32(frame->data, n);
  frame->length = frame->frame_length = 64;
  return frame;
}

TEST(SpscRing, KeepsOrderAndBounds) {
  SpscRing<int> ring(3);
  EXPECT_EQ(ring.capacity(), 4u);
  int values[6];
  int* items[6];
  for (int i = 0; i < 6; ++i) items[i] = &values[i];
  for (int round = 0; round < 10; ++round) {
    EXPECT_TRUE(ring.empty());
    EXPECT_EQ(ring.push(items, 6), 4u);
    EXPECT_EQ(ring.room(1), 0u);
    int* out[6];
    EXPECT_EQ(ring.pop(out, 3), 3u);
    EXPECT_EQ(out[2], items[2]);
    EXPECT_EQ(ring.pop(out, 6), 1u);
    EXPECT_EQ(out[0], items[3]);
    EXPECT_EQ(ring.pop(), nullptr);
  }
}

TEST(SpscRing, CarriesEverythingAcrossThreads) {
  constexpr size_t kItems = 200000;
  SpscRing<char> ring(64);
  auto* base = reinterpret_cast<char*>(0x1000);
  std::thread producer([&] {
    for (size_t sent = 0; sent < kItems;) {
      char* items[7];
      for (size_t i = 0; i < 7; ++i) items[i] = base + sent + i;
      sent += ring.push(items, std::min<size_t>(7, kItems - sent));
    }
  });
  size_t wrong = 0;
  for (size_t got = 0; got < kItems;) {
    char* items[16];
    const size_t n = ring.pop(items, 16);
    for (size_t i = 0; i < n; ++i) wrong += items[i] != base + got + i;
    got += n;
  }
  producer.join();
  EXPECT_EQ(wrong, 0u);
}

TEST(MemoryPort, CarriesFramesBothWaysByReference) {
  Buffers buffers(256, 16);
  {
    MemoryPort port({}, 2, {.ring_size = 4, .same_thread = true});
    QueueContext context{buffers, 0};
    Segment* frames[6];
    for (uint32_t i = 0; i < 6; ++i) frames[i] = numbered(buffers, i);
    EXPECT_EQ(port.inject_burst(1, frames, 6), 4u);
    EXPECT_FALSE(port.inject(1, frames[4]));
    EXPECT_TRUE(port.inject(0, frames[4]));
    release(frames[5]);
    Burst burst;
    burst.count = 0;
    port.queue(1).receive(context, burst);
    ASSERT_EQ(burst.count, 4u);
    EXPECT_EQ(burst.frames[3], frames[3]);
    EXPECT_FALSE(burst.frames[3]->away);
    port.queue(1).send(context, burst);
    EXPECT_EQ(burst.count, 0u);
    burst.push(numbered(buffers, 9));
    port.queue(1).send(context, burst);
    ASSERT_EQ(burst.count, 1u) << "a full ring leaves the frame in the burst";
    release(burst.frames[0]);
    Segment* taken[8];
    ASSERT_EQ(port.take_burst(1, taken, 3), 3u);
    for (int i = 0; i < 3; ++i) release(taken[i]);
  }
  EXPECT_EQ(buffers.small.in_use(), 0u) << "the port gives back what was still in its rings";
}

TEST(MemoryPort, AHeldFrameCrossesAsACopy) {
  Buffers buffers(16, 4);
  MemoryPort port({}, 1, {});
  QueueContext context{buffers, 0};
  Segment* frame = numbered(buffers, 3);
  frame->references = 2;
  Burst burst;
  burst.push(frame);
  port.queue(0).send(context, burst);
  Segment* taken;
  ASSERT_EQ(port.take_burst(0, &taken, 1), 1u);
  EXPECT_NE(taken, frame);
  EXPECT_EQ(frame->references, 1u);
  EXPECT_FALSE(frame->away);
  release(taken);
  release(frame);
}

TEST(MemoryPort, CutsWhatItsOffloadsDoNotTake) {
  Random random(1);
  Buffers buffers(256, 16);
  TcpShape s;
  s.payload = 10000;
  for (const bool whole : {true, false}) {
    PortInfo info;
    info.offloads = {whole, whole, whole};
    MemoryPort port(info, 1, {.same_thread = true});
    QueueContext context{buffers, 0};
    Burst burst;
    burst.push(frame_of(tcp_bytes(s, random), buffers));
    make_large(burst.frames[0], s, 1000);
    port.queue(0).send(context, burst);
    Segment* taken[16];
    const uint32_t n = port.take_burst(0, taken, 16);
    EXPECT_EQ(n, whole ? 1u : 10u);
    for (uint32_t i = 0; i < n; ++i) release(taken[i]);
  }
}

TEST(MemoryPort, SignalsOnlyWhoArmed) {
  Buffers buffers(16, 4);
  MemoryPort port({}, 1, {});
  PortQueue& queue = port.queue(0);
  QueueContext context{buffers, 0};
  Burst burst;
  EXPECT_TRUE(port.inject(0, numbered(buffers, 1)));
  EXPECT_FALSE(readable(queue.wait_fd()));
  EXPECT_FALSE(queue.arm()) << "there is work";
  queue.receive(context, burst);
  EXPECT_TRUE(queue.arm());
  EXPECT_FALSE(readable(queue.wait_fd()));
  EXPECT_TRUE(port.inject(0, numbered(buffers, 2)));
  EXPECT_TRUE(readable(queue.wait_fd()));
  queue.disarm();
  EXPECT_FALSE(readable(queue.wait_fd()));
  queue.receive(context, burst);
  EXPECT_EQ(burst.count, 2u);

  EXPECT_TRUE(port.arm_taker());
  queue.send(context, burst);
  EXPECT_TRUE(readable(port.taker_fd()));
  port.disarm_taker();
  EXPECT_FALSE(port.arm_taker());
  EXPECT_FALSE(readable(port.taker_fd()));
}

// The lane sleeps whenever it finds nothing; a lost wake-up would stop the ping-pong for good.
TEST(MemoryPort, NoWakeUpIsLost) {
  constexpr uint32_t kRounds = 20000;
  Buffers outside(64, 4);
  Buffers inside(64, 4);
  MemoryPort port({}, 1, {.ring_size = 8});
  std::thread lane([&] {
    QueueContext context{inside, 0};
    PortQueue& queue = port.queue(0);
    for (uint32_t done = 0; done < kRounds;) {
      Burst burst;
      queue.receive(context, burst);
      done += burst.count;
      if (burst.count > 0) {
        queue.send(context, burst);
      } else {
        if (queue.arm()) readable(queue.wait_fd(), -1);
        queue.disarm();
      }
    }
  });
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < kRounds; ++i) {
    port.inject(0, numbered(outside, i));
    Segment* frame = nullptr;
    while (port.take_burst(0, &frame, 1) == 0) {
      if (port.arm_taker() && !readable(port.taker_fd(), 5000)) break;
      port.disarm_taker();
    }
    ASSERT_NE(frame, nullptr) << "stuck at round " << i;
    wrong += load_be32(frame->data) != i;
    release(frame);
  }
  lane.join();
  EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace flatproxy
