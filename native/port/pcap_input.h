#pragma once

#include <atomic>
#include <string>

#include "port/pcap_reader.h"
#include "port/port.h"

namespace flatproxy {

/// What becomes of packets that a capture holds only in part (tcpdump -s).
enum class Snapped : uint8_t {
  take,    ///< as they are: their parser finds them truncated
  refuse,  ///< the capture is broken there
  fill     ///< zeros stand for what is missing, if at least CaptureInput::kHeaders bytes are there; else it is broken
};

/// What everybody may see of a capture that a lane reads.
struct InputState {
  std::atomic<uint64_t> bytes{0};     ///< of the file, read so far
  std::atomic<uint64_t> snapped{0};   ///< packets that it holds only in part
  std::atomic<bool> finished{false};  ///< nothing is left to read
};

/// A capture that is read as a port's frames, one packet ahead. One thread.
class CaptureInput {
 public:
  /// The headers of any packet that a flow is made of: Ethernet with two tags, IPv6, TCP.
  static constexpr uint32_t kHeaders = 14 + 8 + 40 + 20;

  /// @param path of the file; what messages call it
  /// @param fd open for reading already, and closed in the end; -1: the path is opened
  /// Throws Error ERR_FLATPROXY_FILE or ERR_FLATPROXY_CAPTURE (broken up to the first packet).
  /// @param cancelled nullptr: waits for a pipe for as long as it takes
  CaptureInput(const std::string& path, int fd, Snapped snapped, InputState& state,
               const std::atomic<bool>* cancelled = nullptr);
  ~CaptureInput();
  CaptureInput(const CaptureInput&) = delete;
  CaptureInput& operator=(const CaptureInput&) = delete;

  /// When the next packet comes; kNever: none does.
  Nanoseconds next() const { return result_ == CaptureReader::Result::packet ? packet_.timestamp : kNever; }
  /// Appends packets that are due.
  void receive(QueueContext& context, Burst& burst);
  /// What is wrong with the capture, with the offset; empty: nothing so far.
  const std::string& failure() const { return failure_; }

 private:
  long read_some(uint8_t* to, size_t n);
  bool wait_for_bytes() const;
  void advance();
  void judge_snapped();
  void fail(const std::string& what);

  int fd_;
  Snapped snapped_;
  const std::atomic<bool>* cancelled_;
  InputState& state_;
  CaptureReader reader_;
  CapturedPacket packet_;
  CaptureReader::Result result_ = CaptureReader::Result::end;
  std::string failure_;
};

/// Throws ERR_FLATPROXY_CAPTURE for a capture.
[[noreturn]] void refuse_capture(const std::string& path, const std::string& why);

}  // namespace flatproxy
