#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "capture/live_capture.h"
#include "port/pcapng.h"

namespace flatproxy {

/// Reads what lanes give to a capture, as pcapng: the interfaces are ports, and each packet's comment says how it
/// ended. One thread.
class CaptureStream {
 public:
  struct PortName {
    uint16_t id;
    std::string name;
  };
  /// @param ports those that are there, which become the first interfaces
  CaptureStream(std::shared_ptr<LiveCapture> capture, std::vector<PortName> ports, Nanoseconds now);

  /// Appends what has come, up to about `limit` bytes: packets of all lanes in the order in which they came, as far as
  /// their ends are known. First of all the section and its interfaces; between packets, at most once in a second,
  /// statistics of interfaces that have lost some. @param now since 1970
  void read(std::vector<uint8_t>& to, size_t limit, Nanoseconds now);
  /// No more packets are wanted: CaptureOptions::limit is reached.
  bool full() const { return packets_ >= limit_; }
  /// Appends the statistics of all interfaces and lets the capture go. No lane may know it any more.
  void finish(std::vector<uint8_t>& to, Nanoseconds now);

  bool finished() const { return capture_ == nullptr; }
  const LiveCapture& capture() const { return *capture_; }
  /// What was read so far.
  uint64_t packets() const { return packets_; }
  /// What lanes have lost so far.
  uint64_t lost() const { return lost_; }

 private:
  size_t gather(size_t limit);
  void write(const std::byte* record, PcapngBlocks& blocks);
  void write_head(PcapngBlocks& blocks);
  uint32_t interface_of(uint16_t port, std::string_view name, PcapngBlocks& blocks);
  void tell_losses(PcapngBlocks& blocks, Nanoseconds now);
  void put_statistics(PcapngBlocks& blocks, Nanoseconds now, bool all);

  struct Interface {
    std::string name;
    std::vector<uint16_t> ports;  // ids that it had
    uint64_t lost = 0;            // as told last
  };

  std::shared_ptr<LiveCapture> capture_;
  const uint64_t limit_;
  const Nanoseconds begun_;
  std::vector<PortName> first_ports_;  // until their interfaces are written
  bool headed_ = false;
  std::vector<Interface> interfaces_;
  std::map<std::string, uint32_t, std::less<>> by_name_;
  std::array<uint32_t, kPortIds> by_port_;
  std::vector<const std::byte*> gathered_;
  std::string comment_;
  uint64_t packets_ = 0;
  uint64_t lost_ = 0;
  uint64_t lost_told_ = 0;
  Nanoseconds told_at_ = 0;
};

}  // namespace flatproxy
