#pragma once

#include <array>
#include <bitset>
#include <memory>
#include <vector>

#include "capture/captured_frame.h"
#include "capture/live_capture.h"
#include "config/snapshot.h"
#include "lane/shared.h"
#include "packet/buffers.h"
#include "packet/burst.h"

namespace flatproxy {

/// A lane's part in captures. A frame that one wants is copied as it comes, before anything of it is rewritten; the
/// copy goes along with it, to another lane too, until the frame ends. Then its verdict is known, and the copy goes to
/// the captures that want packets with that verdict.
class LaneCaptures {
 public:
  /// Packets whose verdict is not known yet, at most: what finds no room is lost to captures.
  static constexpr uint32_t kSmallCopies = 4096;
  static constexpr uint32_t kLargeCopies = 1024;  ///< of 16 KiB, for the rest of large frames

  LaneCaptures(unsigned lane, LaneShared& shared) : lane_(lane), shared_(shared) {}

  void adopt(const Snapshot& snapshot);
  /// From now on; there is room for it.
  void begin(std::shared_ptr<LiveCapture> capture);
  /// No effect when the capture is not there.
  void end(const LiveCapture& capture);
  /// Whether any capture runs.
  bool running() const { return running_; }
  /// Whether frames that are on their way may have copies; tick() looks whether that is over.
  bool lingering() const { return copies_ != nullptr && !running_; }
  void tick();
  /// Whether frames of any lane may have copies. What another lane has handed over counts as soon as it is here.
  bool watching() const { return shared_.capturing.load(std::memory_order_relaxed) != 0; }

  /// Copies what captures want of frames that have just come by a port.
  void take_in(const Burst& burst, uint16_t port, Nanoseconds now);
  /// The copy of a frame, which is gone, ends. @param exit id of the port that it left by, or kNoPort
  void finish(Segment* copy, Reason reason, uint16_t exit = kNoPort);
  /// Gives on what has ended in this pass, in the order in which it came: not in that in which it ended.
  void publish();

  /// Takes the copies of frames that are about to be sent by a port, and makes those of our own; the frames must have
  /// their reasons. Then what the port refuses is told by refused(), and the rest by sent().
  void sending(const Burst& burst, uint16_t port, Nanoseconds now);
  void refused(const Segment* frame, Reason reason);
  void sent(uint16_t port);

 private:
  struct Running {
    std::shared_ptr<LiveCapture> capture;  // nullptr: there is none in this place
    CaptureFeed* feed = nullptr;
    std::bitset<kPortIds> ports;
  };
  struct Sending {
    const Segment* frame;
    Segment* copy;
  };

  void find_ports(Running& running) const;
  std::string port_name(uint16_t port) const;
  Segment* copy_if_wanted(const Segment* frame, uint16_t port, Nanoseconds now, bool outbound);
  const uint8_t* in_one_piece(const Segment* frame);
  Segment* copy_front(const Segment* frame, uint32_t length);
  void give(const Running& to, Segment* copy) const;

  unsigned lane_;
  LaneShared& shared_;
  const Snapshot* snapshot_ = nullptr;
  std::array<Running, kMaxCaptures> captures_;
  std::unique_ptr<Buffers> copies_;  // from the first capture on, until no frame has a copy any more
  std::vector<uint8_t> flat_;
  std::vector<Sending> sending_;
  std::vector<Segment*> ended_;
  uint64_t sequence_ = 0;
  bool running_ = false;
  bool virtual_time_ = false;
};

}  // namespace flatproxy
