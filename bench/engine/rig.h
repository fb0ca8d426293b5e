#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/plan.h"
#include "lane/lane.h"
#include "packet/frame.h"
#include "port/memory.h"
#include "wire/bytes.h"

namespace flatproxy::bench {

/// One lane between two memory ports, in one thread: clients behind `left`, servers behind `right`, neighbours known.
/// Outside is a generator of 64-byte frames that takes them back when they come out.
class Rig {
 public:
  /// JSON of the plan.
  struct Parts {
    std::string services = "[]";
    std::string listeners = "[]";
    std::string http_routes = "[]";
    std::string workloads = "[]";
    std::string policies = R"({"default":"allow","selectors":[],"rules":[]})";
  };
  Rig(const Parts& parts, const Lane::Capacity& capacity, bool track_all);
  Rig(const std::string& services, uint32_t flows, bool track_all) : Rig(Parts{services}, {flows}, track_all) {}

  Lane& lane() { return *lane_; }
  MemoryPort& left() { return *left_; }
  MemoryPort& right() { return *right_; }
  Buffers& buffers() { return buffers_; }
  /// Runs the lane once; time goes on by a microsecond.
  void pass() { lane_->iterate(now_ += 1000); }
  /// The same by a clock of the caller's, which runs ahead of the rig's.
  void pass_at(Nanoseconds now) { lane_->iterate(now_ = now); }
  /// Calls take(frame) for each IP frame that came out of a port, which then goes back to its pools.
  template <typename Take>
  void take_all(MemoryPort& port, Take&& take) {
    Segment* frames[256];
    while (const uint32_t n = port.take_burst(0, frames, 256)) {
      for (uint32_t i = 0; i < n; ++i) {
        if (is_arp(frames[i])) [[unlikely]] {
          answer_arp(port, frames[i]);
        } else {
          take(static_cast<const Segment*>(frames[i]));
        }
        release(frames[i]);
      }
    }
  }
  /// Takes everything that came out and gives it back to its pools; returns how many IP frames.
  uint32_t drain();
  Nanoseconds now() const { return now_; }
  const Snapshot& snapshot() const { return *snapshot_; }

 private:
  static bool is_arp(const Segment* frame) { return wire::load16(frame->data + 12) == 0x0806; }
  void teach_neighbors();
  void answer_arp(MemoryPort& port, const Segment* frame);

  Buffers buffers_{65536, 4096};
  std::shared_ptr<MemoryPort> left_;
  std::shared_ptr<MemoryPort> right_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::unique_ptr<LaneShared> shared_;
  std::unique_ptr<Lane> lane_;
  Nanoseconds now_ = 1'000'000'000;
};

/// The addresses of the rig: clients 10.0.0.0/8 behind 192.0.2.2, servers 198.51.100.0/24, the service 203.0.113.1:80.
constexpr uint32_t kFirstClient = 0x0a000000;
constexpr uint32_t kVirtualAddress = 0xcb007101;
constexpr uint32_t kFirstServer = 0xc6336410;
constexpr unsigned kServers = 8;

/// Writes the Ethernet header of a frame that comes from one of the sides.
void write_macs(uint8_t* to, bool from_left);

/// A 64-byte TCP frame as it arrives. Addresses and ports in host order; the IP header's checksum is right, the TCP one
/// is the endpoints' business.
void write_frame(uint8_t* to, bool from_left, uint32_t source, uint16_t source_port, uint32_t destination,
                 uint16_t destination_port, uint8_t flags, uint32_t sequence, uint32_t ack);

}  // namespace flatproxy::bench
