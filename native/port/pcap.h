#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "port/pcap_input.h"
#include "port/pcap_writer.h"
#include "port/port.h"

namespace flatproxy {

struct PcapFiles {
  std::string read;   ///< the capture that packets come from; empty: none
  std::string write;  ///< the capture that packets go to; empty: what is sent here is gone. ".pcapng" or pcap
  int read_fd = -1;   ///< what `read` names, if it is open already: closed in the end
  Snapped snapped = Snapped::take;
  const std::atomic<bool>* cancelled = nullptr;  ///< when it is true, nothing is waited for any more
  bool replayed = false;                         ///< all time is that of captures: packets are written with it as it is
};

/// Packets from a capture and into one. The first lane reads; every lane may write. With a capture to read, time on the
/// port is that of its packets. What is sent is written as on a wire: large frames cut, checksums filled in.
class PcapPort : public Port {
 public:
  /// Throws Error ERR_FLATPROXY_FILE (it can't be opened) or ERR_FLATPROXY_CAPTURE (no Ethernet capture, or broken up
  /// to its first packet; the message has the offset).
  PcapPort(PortInfo info, const PcapFiles& files, unsigned lanes);
  ~PcapPort() override;

  PortQueue& queue(unsigned lane) override;
  bool virtual_time() const override { return reads_; }
  /// A capture that turned out broken on the way, or one that can't be written any more.
  std::string loss_reason() const override;

  /// Packets received that the capture holds only in part: their parser finds them truncated.
  uint64_t truncated() const { return input_state_.snapped.load(std::memory_order_relaxed); }
  /// Nothing is left to read.
  bool finished() const { return input_state_.finished.load(std::memory_order_acquire); }
  /// Bytes of the capture that have been read.
  uint64_t bytes_read() const { return input_state_.bytes.load(std::memory_order_relaxed); }
  /// Writes what waits to be written. False: it can't be; loss_reason() tells.
  bool flush();

 private:
  class Queue;

  void lose(const std::string& reason);
  bool write(const Segment* frame, Nanoseconds time);

  const bool reads_;
  const bool replayed_;
  InputState input_state_;
  std::vector<std::unique_ptr<Queue>> queues_;
  std::atomic<bool> lost_{false};
  mutable std::mutex mutex_;  // of what follows: captures are written by all lanes
  std::unique_ptr<CaptureWriter> writer_;
  std::string loss_reason_;
};

}  // namespace flatproxy
