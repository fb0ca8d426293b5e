// When a tap's queue is asked for frames: each look is a system call.
#include "port/tap_queue.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>
#include <vector>

#include "packet/frame.h"
#include "port/fd.h"

namespace flatproxy {
namespace {

constexpr Nanoseconds kMicrosecond = 1'000;

/// A queue over a pair of datagram sockets, which keep the bounds of what is written as a tap does.
class TapQueueLooks : public testing::Test {
 protected:
  TapQueueLooks() {
    int pair[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    ours_ = Fd(pair[0]);
    kernels_ = Fd(pair[1]);
    queue = std::make_unique<TapQueue>(ours_.get());
  }
  void comes() {
    const std::vector<uint8_t> frame(sizeof(VnetHeader) + 60);
    EXPECT_EQ(write(kernels_.get(), frame.data(), frame.size()), static_cast<ssize_t>(frame.size()));
  }
  uint32_t received() {
    Burst burst;
    QueueContext context{buffers_, now};
    queue->receive(context, burst);
    for (Segment* frame : burst) release(frame);
    return burst.count;
  }
  void send() {
    Segment* frame = buffers_.small.allocate();
    std::memset(frame->data, 0, 60);
    frame->length = frame->frame_length = 60;
    Burst burst;
    burst.push(frame);
    QueueContext context{buffers_, now};
    queue->send(context, burst);
    EXPECT_EQ(burst.count, 0u);
  }

 private:
  Buffers buffers_;
  Fd ours_;
  Fd kernels_;

 public:
  Nanoseconds now = 1'000'000'000;
  std::unique_ptr<TapQueue> queue;
};

TEST_F(TapQueueLooks, WhatComesIsFoundWithinFiftyMicroseconds) {
  EXPECT_EQ(received(), 0u);
  comes();
  now += 49 * kMicrosecond;
  EXPECT_EQ(received(), 0u) << "a look that found nothing holds for a moment";
  now += kMicrosecond;
  EXPECT_EQ(received(), 1u);
}

TEST_F(TapQueueLooks, AQueueThatWasEmptiedIsNotLookedAtAgainEither) {
  comes();
  comes();
  EXPECT_EQ(received(), 2u);
  comes();
  EXPECT_EQ(received(), 0u);
  queue->readable();
  EXPECT_EQ(received(), 1u);
}

TEST_F(TapQueueLooks, WhereSomethingWasSentAnAnswerMayHaveCome) {
  EXPECT_EQ(received(), 0u);
  send();
  comes();
  EXPECT_EQ(received(), 1u);
}

TEST_F(TapQueueLooks, WhereNoAnswerEverComesSendingPromptsNoLook) {
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(received(), 0u);
    send();
  }
  comes();
  EXPECT_EQ(received(), 0u);
  now += 50 * kMicrosecond;
  EXPECT_EQ(received(), 1u) << "it answers, after all";
  send();
  comes();
  EXPECT_EQ(received(), 1u);
}

}  // namespace
}  // namespace flatproxy
