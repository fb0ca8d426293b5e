#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "support/stack_pair.h"

namespace flatproxy::test {

constexpr Nanoseconds kSecond = 1'000'000'000;

/// A pair whose connections are collected as they open; side 1 listens.
struct StackTest : ::testing::Test {
  void make(const tcp::Settings& settings = {}, const LinkFaults& faults = {}) {
    pair = std::make_unique<StackPair>(settings, settings, faults, 1);
  }
  void run(Nanoseconds time) {
    const Nanoseconds end = pair->now() + time;
    pair->run(
        time, [] { return false; }, [this](int side, tcp::Connection& c, uint8_t events) { happen(side, c, events); });
    pair->pass_to(end);
  }
  void happen(int side, tcp::Connection& c, uint8_t events) {
    if ((events & tcp::kOpened) != 0) open[side].push_back(&c);
    if ((events & tcp::kEnded) != 0) {
      ends.push_back(c.end);
      std::erase(open[side], &c);
      pair->side(side).stack.close(c);
    }
  }
  tcp::Stack& stack(int side) { return pair->side(side).stack; }
  /// Side 0 sends as much as its stack takes; returns how much that was.
  uint32_t send_all_it_takes(tcp::Connection& from) {
    const std::vector<uint8_t> bytes(100'000, 1);
    uint32_t sent = 0;
    while (stack(0).may_send(from)) sent += stack(0).send(from, bytes.data(), 100'000);
    stack(0).flush();
    return sent;
  }
  /// Side 1 reads what is there.
  uint32_t read_all(tcp::Connection& to) {
    const uint32_t read = to.received.bytes();
    to.received.clear();
    stack(1).taken(to);
    stack(1).flush();
    return read;
  }

  std::unique_ptr<StackPair> pair;
  std::vector<tcp::Connection*> open[2];
  std::vector<tcp::End> ends;
};

}  // namespace flatproxy::test
