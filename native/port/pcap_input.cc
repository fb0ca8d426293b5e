#include "port/pcap_input.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "packet/error.h"
#include "packet/frame.h"

namespace flatproxy {
namespace {

constexpr uint8_t kZeros[4096] = {};

/// Appends zeros. False: there are no buffers.
bool append_zeros(Segment* frame, uint32_t count, Buffers& buffers) {
  while (count > 0) {
    const uint32_t step = std::min<uint32_t>(count, sizeof(kZeros));
    if (!append(frame, kZeros, step, buffers)) return false;
    count -= step;
  }
  return true;
}

}  // namespace

void refuse_capture(const std::string& path, const std::string& why) {
  throw Error("ERR_FLATPROXY_CAPTURE", "the capture " + path + ": " + why,
              "give an Ethernet capture as tcpdump or Wireshark writes it (editcap -F pcapng mends and converts)");
}

CaptureInput::CaptureInput(const std::string& path, int fd, Snapped snapped, InputState& state,
                           const std::atomic<bool>* cancelled)
    : fd_(fd >= 0 ? fd : open(path.c_str(), O_RDONLY | O_CLOEXEC)),
      snapped_(snapped),
      cancelled_(cancelled),
      state_(state),
      reader_([this](uint8_t* to, size_t n) { return read_some(to, n); }) {
  if (fd_ < 0) {
    throw Error("ERR_FLATPROXY_FILE", "the capture " + path + " can't be read: " + std::strerror(errno),
                "check the path and its permissions");
  }
  advance();
  if (failure_.empty()) return;
  close(fd_);
  refuse_capture(path, failure_);
}

CaptureInput::~CaptureInput() { close(fd_); }

long CaptureInput::read_some(uint8_t* to, size_t n) {
  if (!wait_for_bytes()) return -1;
  const ssize_t got = read(fd_, to, n);
  if (got > 0) state_.bytes.fetch_add(static_cast<uint64_t>(got), std::memory_order_relaxed);
  return got;
}

/// False: nobody wants them any more.
bool CaptureInput::wait_for_bytes() const {
  constexpr int kLook = 50;  // milliseconds
  pollfd readable{fd_, POLLIN, 0};
  while (cancelled_ != nullptr && poll(&readable, 1, kLook) == 0) {
    if (!cancelled_->load()) continue;
    errno = ECANCELED;
    return false;
  }
  return true;
}

void CaptureInput::receive(QueueContext& context, Burst& burst) {
  while (!burst.full() && next() <= context.now) {
    Segment* frame = context.buffers.small.allocate();
    if (frame == nullptr) return;
    const bool whole =
        append(frame, packet_.data, packet_.length, context.buffers) &&
        (snapped_ != Snapped::fill || append_zeros(frame, packet_.original - packet_.length, context.buffers));
    if (!whole) return release(frame);
    burst.push(frame);
    advance();
  }
}

void CaptureInput::advance() {
  result_ = reader_.next(packet_);
  if (result_ == CaptureReader::Result::broken) fail(reader_.failure());
  if (result_ == CaptureReader::Result::packet && packet_.original > packet_.length) judge_snapped();
  if (result_ != CaptureReader::Result::packet) state_.finished.store(true, std::memory_order_release);
}

void CaptureInput::judge_snapped() {
  state_.snapped.fetch_add(1, std::memory_order_relaxed);
  if (snapped_ == Snapped::take) return;
  const bool can_be_filled = packet_.length >= kHeaders && packet_.original <= CaptureReader::kMaxPacket;
  if (snapped_ == Snapped::fill && can_be_filled) return;
  std::string what = "a packet of which " + std::to_string(packet_.length);
  what.append(" of ").append(std::to_string(packet_.original)).append(" bytes are there, at offset ");
  fail(what.append(std::to_string(reader_.offset())));
}

void CaptureInput::fail(const std::string& what) {
  failure_ = what;
  result_ = CaptureReader::Result::broken;
}

}  // namespace flatproxy
