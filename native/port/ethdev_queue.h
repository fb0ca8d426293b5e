#pragma once

#include <mutex>

#include "port/ethdev_device.h"
#include "port/prepare.h"

namespace flatproxy {

/// One lane's end of an ethdev port. A device with fewer receive queues than lanes leaves the last lanes without one;
/// with fewer send queues, lanes share them.
class EthdevQueue : public PortQueue, private WireSender {
 public:
  /// @param send_lock of the shared send queue; nullptr: the queue is this lane's alone
  EthdevQueue(const PortInfo& info, EthdevDevice& device, unsigned lane, std::mutex* send_lock);
  ~EthdevQueue() override;

  void receive(QueueContext& context, Burst& burst) override;
  void send(QueueContext& context, Burst& burst) override;
  int wait_fd() const override { return receives_ ? device_.wait_fd(lane_) : silent_fd_; }
  bool arm() override;
  void disarm() override;
  void beat(Nanoseconds now) override {
    if (wants_heartbeat()) device_.watch(now);
  }
  bool wants_heartbeat() const override { return lane_ == 0 && device_.watches(); }
  bool up() const override { return !device_.lost(); }

 private:
  void send_wire(QueueContext& context, Burst& burst) override;
  uint32_t load(Burst& burst, rte_mbuf** packets);
  rte_mbuf* to_packet(Segment* frame);
  Segment* to_frame(rte_mbuf* packet, QueueContext& context);
  uint16_t transmit(rte_mbuf** packets, uint16_t n);

  const PortInfo& info_;
  EthdevDevice& device_;
  const unsigned lane_;
  const bool receives_;
  const uint16_t send_queue_;
  std::mutex* const send_lock_;
  int silent_fd_ = -1;   // without a receive queue: never readable
  rte_mbuf* early_[32];  // received while the lane was about to sleep
  uint16_t early_count_ = 0;
};

}  // namespace flatproxy
