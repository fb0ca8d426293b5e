#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "packet/buffers.h"
#include "packet/burst.h"
#include "packet/tuple.h"
#include "wire/address.h"

namespace flatproxy {

/// What a port's queues can be handed as it is. What a port cannot do, prepare_for_send() (port/prepare.h) does in
/// software.
struct PortOffloads {
  bool checksum = false;  ///< kNeedsChecksum frames
  bool tso4 = false;      ///< kGsoTcp4 frames up to 64 KB
  bool tso6 = false;      ///< kGsoTcp6 frames up to 64 KB

  /// The FrameFlags that the port can't take as they are.
  uint16_t lacking() const {
    return static_cast<uint16_t>((checksum ? 0 : kNeedsChecksum) | (tso4 ? 0 : kGsoTcp4) | (tso6 ? 0 : kGsoTcp6));
  }
};

/// What is fixed about a port once it is open.
struct PortInfo {
  uint16_t id = 0;      ///< index in the snapshot's port table
  std::string name;     ///< the mesh's name for it
  wire::Mac mac;        ///< source of the frames that flatproxy itself sends here
  uint16_t mtu = 1500;  ///< bytes of the largest IP packet on the wire
  PortOffloads offloads;
  /// Frames to any unicast MAC are for us: they come from the node's own stack, which knows the workloads' MACs.
  bool takes_any_mac = false;
  /// Where frames sent here are addressed to; zero: to each neighbour's own MAC, which is resolved.
  wire::Mac only_peer;
};

/// What a lane gives to a queue for one call: its buffers and the time, read once per burst.
struct QueueContext {
  Buffers& buffers;
  Nanoseconds now;
};

/// One lane's end of a port. Only that lane's thread calls it, except where stated.
class PortQueue {
 public:
  virtual ~PortQueue() = default;

  /// Appends received frames to the burst until it is full or nothing is left. Each frame has data, lengths, flags,
  /// gso_size and checksum_* set (port is the lane's to set). Where a look is a system call, it may be left out for a
  /// moment after one that found nothing; see readable().
  /// Of a chained frame the head holds at least the first min(frame_length, 128) bytes.
  virtual void receive(QueueContext& context, Burst& burst) = 0;

  /// Sends the burst's frames in order and releases them. Frames that it could not send stay in the burst (compacted):
  /// the caller counts and releases them.
  virtual void send(QueueContext& context, Burst& burst) = 0;

  /// Level-triggered: polls readable while receive() would give something. -1: nothing to wait on, the lane must poll.
  virtual int wait_fd() const { return -1; }
  /// Called when wait_fd() was found readable, or by a lane that never sleeps: the next receive() looks.
  virtual void readable() {}

  /// Called before the lane sleeps: asks for wait_fd() to be signalled. False: there is work, do not sleep.
  virtual bool arm() { return true; }
  /// Called when the lane is awake again.
  virtual void disarm() {}

  /// When receive() will have something without any outside event (delayed frames, a capture's next packet).
  virtual Nanoseconds next_receive() const { return kNever; }

  /// The lane is alive, at this time; called at least every 50 ms, also while idle, if wants_heartbeat().
  virtual void beat(Nanoseconds) {}
  virtual bool wants_heartbeat() const { return false; }

  /// False: the port is gone (interface deleted, device unplugged); loss_reason() tells.
  virtual bool up() const { return true; }
};

/// Where packets come from and go to. Opened, described and closed by the control thread; its queues, one for each
/// lane, are the lanes'. Destruction removes every trace of it from the system.
class Port {
 public:
  explicit Port(PortInfo info) : info_(std::move(info)) {}
  virtual ~Port() = default;
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  const PortInfo& info() const { return info_; }
  virtual PortQueue& queue(unsigned lane) = 0;

  /// Takes only what it was told of (iface, take: 'matched'): claim() must precede the first packet of a flow.
  virtual bool wants_claims() const { return false; }
  /// Any thread. From now on packets with this tuple are taken. False: no room.
  virtual bool claim(const Tuple&) { return true; }
  virtual void unclaim(const Tuple&) {}

  /// True: time on this port is virtual (a capture's); see PortQueue::next_receive().
  virtual bool virtual_time() const { return false; }
  /// Why a queue is not up(), for people.
  virtual std::string loss_reason() const { return {}; }

 protected:
  PortInfo info_;
};

}  // namespace flatproxy
