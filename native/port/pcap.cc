#include "port/pcap.h"

#include <time.h>

#include "packet/frame.h"
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

}  // namespace

class PcapPort::Queue : public PortQueue, private WireSender {
 public:
  Queue(PcapPort& port, std::unique_ptr<CaptureInput> input) : port_(port), input_(std::move(input)) {}

  void receive(QueueContext& context, Burst& burst) override {
    if (input_ == nullptr) return;
    input_->receive(context, burst);
    if (!input_->failure().empty() && up()) [[unlikely]]
      port_.lose(input_->failure());
  }
  Nanoseconds next_receive() const override { return input_ == nullptr ? kNever : input_->next(); }

  void send(QueueContext& context, Burst& burst) override { prepare_for_send(port_.info(), context, burst, *this); }

  bool up() const override { return !port_.lost_.load(std::memory_order_relaxed); }

 private:
  void send_wire(QueueContext& context, Burst& burst) override {
    const Nanoseconds time = port_.replayed_ ? context.now : since_1970(context.now);
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
  std::unique_ptr<CaptureInput> input_;
};

PcapPort::PcapPort(PortInfo info, const PcapFiles& files, unsigned lanes)
    : Port(std::move(info)), reads_(!files.read.empty()), replayed_(files.replayed) {
  std::unique_ptr<CaptureInput> input;
  if (reads_)
    input = std::make_unique<CaptureInput>(files.read, files.read_fd, files.snapped, input_state_, files.cancelled);
  if (!files.write.empty()) writer_ = std::make_unique<CaptureWriter>(files.write);
  if (!reads_) input_state_.finished.store(true);
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

bool PcapPort::flush() {
  if (writer_ == nullptr) return true;
  {
    const std::lock_guard lock(mutex_);
    if (writer_->flush()) return true;
  }
  lose(writer_->failure());
  return false;
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
