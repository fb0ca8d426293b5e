#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "tcp/context.h"

namespace flatproxy::packetdrill {

/// An IP packet, and when it was sent.
struct SentPacket {
  std::vector<uint8_t> bytes;
  int64_t time_us = 0;
};

/// The wire behind a stack under test: frames become IP packets, large ones are cut, checksums completed.
class WireTap : public tcp::Transmitter {
 public:
  explicit WireTap(Buffers& buffers) : buffers_(buffers) {}

  void set_time(int64_t now_us) { now_us_ = now_us; }
  void transmit(Segment* frame, tcp::Connection&) override { send(frame); }
  void send(Segment* frame);

  std::deque<SentPacket>& sent() { return sent_; }

 private:
  void record(Segment* frame);

  Buffers& buffers_;
  int64_t now_us_ = 0;
  std::deque<SentPacket> sent_;
};

/// A frame with an Ethernet header in front of an IP packet, parsed; nullptr: no packet that a network would carry.
Segment* frame_of_packet(const uint8_t* packet, size_t size, Buffers& buffers);

}  // namespace flatproxy::packetdrill
