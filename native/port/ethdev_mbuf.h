#pragma once

#include <rte_mbuf.h>

#include <atomic>
#include <memory>

#include "packet/segment_pool.h"
#include "port/port.h"

namespace flatproxy {

/// The buffers of one ethdev port: mbufs whose private area is the Segment, so that neither needs the other allocated.
/// Frames may be released by any thread, and after their port is gone: the pool stays until the last one is back.
class MbufPool : public SegmentPool {
 public:
  /// Throws Error ERR_FLATPROXY_RESOURCE when EAL's memory does not suffice.
  static std::shared_ptr<MbufPool> create(const std::string& port, uint32_t mbufs);
  ~MbufPool() override;

  rte_mempool* mempool() const { return mempool_; }

  /// The frame that was received as these mbufs; the mbufs belong to it from now on.
  Segment* to_frame(rte_mbuf* packet);

  /// The mbufs of a frame of this pool: they are the frame, until undo().
  bool is_home_of(const Segment* frame) const;
  rte_mbuf* borrow(Segment* frame) const;
  static void undo(Segment* frame);

  /// So many mbufs of frames are the driver's now.
  void gone(uint32_t mbufs) { out_.fetch_sub(mbufs, std::memory_order_release); }
  /// Whether frames keep so many mbufs that the driver may run short of them.
  bool crowded() const { return out_.load(std::memory_order_relaxed) > mempool_->size / 4; }
  /// Whether no frame has an mbuf of this pool. Those that a driver held when it was closed do not count.
  bool idle() const { return out_.load(std::memory_order_acquire) == 0; }

  /// A copy of any frame, in as few mbufs as it needs; nullptr: the pool is empty.
  rte_mbuf* copy(const Segment* frame) const;

 protected:
  void give_back_from_afar(Segment* segment) override;

 private:
  explicit MbufPool(rte_mempool* mempool) : SegmentPool(0, 0), mempool_(mempool) {}
  Segment* to_segment(rte_mbuf* mbuf);

  rte_mempool* mempool_;
  std::atomic<uint64_t> out_{0};  // mbufs that are frames
};

/// What the device has found out about a received packet.
void read_receive_flags(const rte_mbuf* packet, Segment* frame);

/// Asks the device for what the frame needs: its checksum, its segmentation. False: for that the frame is malformed.
bool write_send_flags(const Segment* frame, rte_mbuf* packet);

}  // namespace flatproxy
