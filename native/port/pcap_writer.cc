#include "port/pcap_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "packet/error.h"
#include "packet/frame.h"
#include "port/pcapng.h"

namespace flatproxy {
namespace {

constexpr size_t kFlushAt = 256 * 1024;
constexpr uint32_t kSnapLength = 262'144;
constexpr uint32_t kEthernet = 1;
constexpr uint64_t kSecond = 1'000'000'000;

}  // namespace

CaptureWriter::CaptureWriter(const std::string& path)
    : fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)), pcapng_(path.ends_with(".pcapng")) {
  if (fd_ < 0) {
    throw Error("ERR_FLATPROXY_FILE", "the capture " + path + " can't be written: " + std::strerror(errno),
                "choose a path in a folder that exists and may be written");
  }
  buffer_.reserve(kFlushAt + kSnapLength);
  pcapng_ ? put_pcapng_header() : put_pcap_header();
}

CaptureWriter::~CaptureWriter() {
  flush();
  close(fd_);
}

void CaptureWriter::put16(uint16_t value) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
  buffer_.insert(buffer_.end(), bytes, bytes + 2);
}

void CaptureWriter::put32(uint32_t value) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
  buffer_.insert(buffer_.end(), bytes, bytes + 4);
}

void CaptureWriter::put_pcap_header() {
  put32(0xa1b23c4d);  // nanoseconds
  put16(2);
  put16(4);
  put32(0);
  put32(0);
  put32(kSnapLength);
  put32(kEthernet);
}

void CaptureWriter::put_pcapng_header() {
  PcapngBlocks blocks(buffer_);
  blocks.section();
  blocks.interface(kSnapLength);
}

bool CaptureWriter::write(const Segment* frame, Nanoseconds time) {
  if (!failure_.empty()) return false;
  const uint32_t length = frame->frame_length;
  if (pcapng_) {
    uint8_t* bytes = PcapngBlocks(buffer_).packet({.time = time, .captured = length, .original = length});
    copy_out(frame, 0, bytes, length);
  } else {
    put32(static_cast<uint32_t>(time / kSecond));
    put32(static_cast<uint32_t>(time % kSecond));
    put32(length);
    put32(length);
    for (const Segment* s = frame; s != nullptr; s = s->next)
      buffer_.insert(buffer_.end(), s->data, s->data + s->length);
  }
  return buffer_.size() < kFlushAt || flush();
}

bool CaptureWriter::flush() {
  size_t done = 0;
  while (done < buffer_.size() && failure_.empty()) {
    const ssize_t n = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (n >= 0) {
      done += static_cast<size_t>(n);
    } else if (errno != EINTR) {
      failure_ = std::string("the capture can't be written: ") + std::strerror(errno);
    }
  }
  buffer_.clear();
  return failure_.empty();
}

}  // namespace flatproxy
