#include "port/ethdev_queue.h"

#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "packet/frame.h"

namespace flatproxy {
namespace {

/// DPDK's caches are per registered thread: a lane registers with its first use of any ethdev queue, until it ends.
struct Registration {
  Registration() {
    if (rte_lcore_id() == LCORE_ID_ANY) registered = rte_thread_register() == 0;
  }
  ~Registration() {
    if (registered) rte_thread_unregister();
  }
  bool registered = false;
};

void register_thread() { thread_local const Registration registration; }

}  // namespace

EthdevQueue::EthdevQueue(const PortInfo& info, EthdevDevice& device, unsigned lane, std::mutex* send_lock)
    : info_(info),
      device_(device),
      lane_(lane),
      receives_(lane < device.receive_queues()),
      send_queue_(static_cast<uint16_t>(lane % device.send_queues())),
      send_lock_(send_lock),
      silent_fd_(receives_ ? -1 : eventfd(0, EFD_CLOEXEC)) {}

EthdevQueue::~EthdevQueue() {
  for (uint16_t i = 0; i < early_count_; ++i) rte_pktmbuf_free(early_[i]);
  if (silent_fd_ >= 0) close(silent_fd_);
}

void EthdevQueue::receive(QueueContext& context, Burst& burst) {
  if (!receives_) return;
  register_thread();
  rte_mbuf* packets[Burst::kSize];
  uint16_t n = early_count_;
  if (n > 0) {
    n = static_cast<uint16_t>(std::min<uint32_t>(n, burst.room()));
    std::copy_n(early_, n, packets);
    std::copy(early_ + n, early_ + early_count_, early_);
    early_count_ = static_cast<uint16_t>(early_count_ - n);
  } else {
    n = rte_eth_rx_burst(device_.id(), static_cast<uint16_t>(lane_), packets, static_cast<uint16_t>(burst.room()));
  }
  for (uint16_t i = 0; i < n; ++i) burst.push(to_frame(packets[i], context));
}

/// Whoever keeps what has come (a TCP connection whose reader is slow) must not keep the driver from receiving.
Segment* EthdevQueue::to_frame(rte_mbuf* packet, QueueContext& context) {
  Segment* frame = device_.pool().to_frame(packet);
  if (!device_.pool().crowded()) [[likely]]
    return frame;
  Segment* copy = copy_frame(frame, context.buffers);
  if (copy == nullptr) return frame;
  release(frame);
  return copy;
}

void EthdevQueue::send(QueueContext& context, Burst& burst) {
  register_thread();
  prepare_for_send(info_, context, burst, *this);
}

// The packets [0, n) are those of the first n frames; a frame for which there is none ends the pass.
uint32_t EthdevQueue::load(Burst& burst, rte_mbuf** packets) {
  uint32_t n = 0;
  while (n < burst.count && (packets[n] = to_packet(burst.frames[n])) != nullptr) ++n;
  return n;
}

rte_mbuf* EthdevQueue::to_packet(Segment* frame) {
  const bool ours = device_.pool().is_home_of(frame) && (device_.chains() || frame->next == nullptr);
  rte_mbuf* packet = ours ? device_.pool().borrow(frame) : device_.pool().copy(frame);
  if (packet == nullptr) return nullptr;
  const bool fits = device_.chains() || packet->nb_segs == 1;
  if (fits && write_send_flags(frame, packet)) return packet;
  ours ? MbufPool::undo(frame) : rte_pktmbuf_free(packet);
  return nullptr;
}

uint16_t EthdevQueue::transmit(rte_mbuf** packets, uint16_t n) {
  // net_af_packet waits for its ring to move, without end where the interface is gone.
  if (device_.lost()) return 0;
  std::unique_lock<std::mutex> lock;
  if (send_lock_ != nullptr) lock = std::unique_lock(*send_lock_);
  if (device_.offloads()) n = rte_eth_tx_prepare(device_.id(), send_queue_, packets, n);
  return n == 0 ? n : rte_eth_tx_burst(device_.id(), send_queue_, packets, n);
}

void EthdevQueue::send_wire(QueueContext&, Burst& burst) {
  rte_mbuf* packets[Burst::kSize];
  const uint32_t loaded = load(burst, packets);
  uint16_t ours[Burst::kSize];  // mbufs of the frame itself; 0: the packet is a copy
  // Known before the driver has the packets: a frame of our pool is gone with them.
  for (uint32_t i = 0; i < loaded; ++i) {
    ours[i] = packets[i] == burst.frames[i]->foreign ? packets[i]->nb_segs : uint16_t{0};
  }
  const uint16_t sent = transmit(packets, static_cast<uint16_t>(loaded));
  uint32_t gone = 0;
  for (uint32_t i = 0; i < loaded; ++i) {
    if (i < sent) {
      gone += ours[i];
      if (ours[i] == 0) release(burst.frames[i]);
    } else if (ours[i] != 0) {
      MbufPool::undo(burst.frames[i]);
    } else {
      rte_pktmbuf_free(packets[i]);
    }
  }
  if (gone != 0) device_.pool().gone(gone);
  std::copy(burst.begin() + sent, burst.end(), burst.begin());
  burst.count -= sent;
}

bool EthdevQueue::arm() {
  if (!receives_ || !device_.interrupts()) return true;
  const auto queue = static_cast<uint16_t>(lane_);
  rte_eth_dev_rx_intr_enable(device_.id(), queue);
  // What came before the interrupt was enabled raises none.
  if (early_count_ == 0) {
    early_count_ = rte_eth_rx_burst(device_.id(), queue, early_, static_cast<uint16_t>(std::size(early_)));
  }
  if (early_count_ == 0) return true;
  disarm();
  return false;
}

void EthdevQueue::disarm() {
  if (receives_ && device_.interrupts()) rte_eth_dev_rx_intr_disable(device_.id(), static_cast<uint16_t>(lane_));
}

}  // namespace flatproxy
