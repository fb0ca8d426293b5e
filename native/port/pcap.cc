#include "port/pcap.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "packet/error.h"
#include "packet/frame.h"
#include "port/pcap_reader.h"
#include "port/prepare.h"

namespace flatproxy {
namespace {

constexpr Nanoseconds kYear2000 = 946'684'800'000'000'000;

Nanoseconds read_clock(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<Nanoseconds>(t.tv_sec) * 1'000'000'000 + static_cast<Nanoseconds>(t.tv_nsec);
}

// A lane's time is a capture's, since 1970, or the monotonic clock's, since the machine started: what would be before
// the year 2000 is the latter.
Nanoseconds since_1970(Nanoseconds time) {
  if (time >= kYear2000) return time;
  return time + (read_clock(CLOCK_REALTIME) - read_clock(CLOCK_MONOTONIC));
}

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error("ERR_FLATPROXY_CAPTURE", "the capture " + path + ": " + why,
              "give an Ethernet capture as tcpdump or Wireshark writes it (editcap -F pcapng mends and converts)");
}

}  // namespace

/// The capture that is read, one packet ahead.
class PcapPort::Input {
 public:
  Input(PcapPort& port, const std::string& path)
      : port_(port),
        fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)),
        reader_([this](uint8_t* to, size_t n) { return static_cast<long>(read(fd_, to, n)); }) {
    if (fd_ < 0) {
      throw Error("ERR_FLATPROXY_FILE", "the capture " + path + " can't be read: " + std::strerror(errno),
                  "check the path and its permissions");
    }
    advance();
    if (state_ != CaptureReader::Result::broken) return;
    close(fd_);
    refuse(path, reader_.failure());
  }
  ~Input() { close(fd_); }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  Nanoseconds next() const { return state_ == CaptureReader::Result::packet ? packet_.timestamp : kNever; }

  void receive(QueueContext& context, Burst& burst) {
    while (!burst.full() && next() <= context.now) {
      Segment* frame = context.buffers.small.allocate();
      if (frame == nullptr) return;
      if (!append(frame, packet_.data, packet_.length, context.buffers)) return release(frame);
      if (packet_.original > packet_.length) port_.truncated_.fetch_add(1, std::memory_order_relaxed);
      burst.push(frame);
      advance();
    }
  }

 private:
  void advance() {
    state_ = reader_.next(packet_);
    if (state_ == CaptureReader::Result::broken) port_.lose(reader_.failure());
    if (state_ != CaptureReader::Result::packet) port_.finished_.store(true, std::memory_order_release);
  }

  PcapPort& port_;
  int fd_;
  CaptureReader reader_;
  CapturedPacket packet_;
  CaptureReader::Result state_ = CaptureReader::Result::end;
};

class PcapPort::Queue : public PortQueue, private WireSender {
 public:
  Queue(PcapPort& port, std::unique_ptr<Input> input) : port_(port), input_(std::move(input)) {}

  void receive(QueueContext& context, Burst& burst) override {
    if (input_ != nullptr) input_->receive(context, burst);
  }
  Nanoseconds next_receive() const override { return input_ == nullptr ? kNever : input_->next(); }

  void send(QueueContext& context, Burst& burst) override { prepare_for_send(port_.info(), context, burst, *this); }

  bool up() const override { return !port_.lost_.load(std::memory_order_relaxed); }

 private:
  void send_wire(QueueContext& context, Burst& burst) override {
    const Nanoseconds time = since_1970(context.now);
    uint32_t kept = 0;
    for (Segment* frame : burst) {
      if (port_.write(frame, time)) {
        release(frame);
      } else {
        burst.frames[kept++] = frame;
      }
    }
    burst.count = kept;
  }

  PcapPort& port_;
  std::unique_ptr<Input> input_;
};

PcapPort::PcapPort(PortInfo info, const PcapFiles& files, unsigned lanes)
    : Port(std::move(info)), reads_(!files.read.empty()) {
  std::unique_ptr<Input> input;
  if (reads_) input = std::make_unique<Input>(*this, files.read);
  if (!files.write.empty()) writer_ = std::make_unique<CaptureWriter>(files.write);
  if (!reads_) finished_.store(true);
  for (unsigned lane = 0; lane < lanes; ++lane) queues_.push_back(std::make_unique<Queue>(*this, std::move(input)));
}

PcapPort::~PcapPort() = default;

PortQueue& PcapPort::queue(unsigned lane) { return *queues_[lane]; }

std::string PcapPort::loss_reason() const {
  const std::lock_guard lock(mutex_);
  return loss_reason_;
}

void PcapPort::lose(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  loss_reason_ = reason;
  lost_.store(true, std::memory_order_relaxed);
}

bool PcapPort::write(const Segment* frame, Nanoseconds time) {
  if (writer_ == nullptr) return true;
  {
    const std::lock_guard lock(mutex_);
    if (writer_->write(frame, time)) return true;
  }
  lose(writer_->failure());
  return false;
}

}  // namespace flatproxy
