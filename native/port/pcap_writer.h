#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "packet/segment.h"

namespace flatproxy {

/// Writes an Ethernet capture with nanoseconds: pcapng where the path ends in ".pcapng", else pcap. Buffered.
class CaptureWriter {
 public:
  /// Creates or empties the file. Throws Error.
  explicit CaptureWriter(const std::string& path);
  ~CaptureWriter();
  CaptureWriter(const CaptureWriter&) = delete;
  CaptureWriter& operator=(const CaptureWriter&) = delete;

  /// False: it can't be written any more, see failure().
  bool write(const Segment* frame, Nanoseconds time);
  bool flush();
  const std::string& failure() const { return failure_; }

 private:
  void put16(uint16_t value);
  void put32(uint32_t value);
  void put_pcap_header();
  void put_pcapng_header();

  int fd_;
  bool pcapng_;
  std::vector<uint8_t> buffer_;
  std::string failure_;
};

}  // namespace flatproxy
