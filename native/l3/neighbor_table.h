#pragma once

#include <cstdint>
#include <vector>

#include "packet/flow_hash.h"
#include "packet/reason.h"
#include "packet/segment.h"
#include "wire/address.h"

namespace flatproxy {

/// Index of a neighbour in its table; good while epoch() stays.
using NeighborIndex = uint16_t;
constexpr NeighborIndex kNoNeighbor = 0xffff;

enum class NeighborState : uint8_t {
  free,
  incomplete,  ///< being resolved; frames wait
  reachable,   ///< confirmed within kReachableTime
  stale,       ///< usable, not confirmed of late; probed as soon as it is used
  probe,       ///< usable, being confirmed by unicast
  failed       ///< did not answer; forgotten after kFailedTime
};

struct Neighbor {
  wire::Address address;
  wire::Mac mac;
  uint16_t port = 0;
  uint16_t mtu = 0;  ///< of the port; 0: there is no such port
  NeighborState state = NeighborState::free;
  uint8_t attempts = 0;  ///< solicitations sent in this state
  uint8_t queued = 0;    ///< frames that wait
  uint16_t queue_first = 0;
  uint16_t queue_last = 0;
  NeighborIndex next = kNoNeighbor;  ///< in the bucket, or in the list of free ones
  Nanoseconds deadline = 0;          ///< incomplete, probe: next attempt; reachable, failed: end of the state
  Nanoseconds changed = 0;           ///< when the state began

  /// Whether frames can be sent to `mac`.
  bool usable() const {
    return state == NeighborState::reachable || state == NeighborState::stale || state == NeighborState::probe;
  }
};

/// What sending to a neighbour takes, for every packet: half a cache line.
struct alignas(32) NextHop {
  uint8_t macs[12] = {};  ///< destination and source, as a frame begins
  uint16_t port = 0;
  uint16_t mtu = 0;      ///< bytes of the largest IP packet; 0: the neighbour is not usable now
  Nanoseconds used = 0;  ///< when a frame last went there
};

/// The ends of a port's link that are ours.
struct LinkEnd {
  wire::Mac mac;
  uint16_t mtu = 0;  ///< 0: there is no such port
};

/// What the table asks its owner to do. Called from within the table's functions; may call back into find(),
/// find_or_create(), use(), at() and queue().
class NeighborActions {
 public:
  virtual ~NeighborActions() = default;
  virtual LinkEnd link(uint16_t port) const = 0;
  /// Sends an ARP request or neighbour solicitation: to everyone when incomplete, to its MAC when in state probe.
  virtual void solicit(const Neighbor& neighbor) = 0;
  /// Sends a frame that has waited; the frame is the owner's again.
  virtual void deliver(Segment* frame, NeighborIndex index) = 0;
  /// Ends a frame that has waited in vain (neighbor_unresolved, neighbor_queue_full, port_down).
  virtual void fail(Segment* frame, Reason why) = 0;
};

/// What a message told about a neighbour (RFC 4861 section 7.2.5; ARP always overrides).
struct NeighborNews {
  wire::Address address;
  wire::Mac mac;               ///< zero: not told, a confirmation only
  bool solicited = false;      ///< it answers a question of ours
  bool override_known = true;  ///< replaces another MAC that is known
  bool create = false;         ///< becomes an entry if there is none: the message asked for us
};

/// The neighbours of a lane: (port, address) -> MAC, by neighbour unreachability detection (RFC 4861 section 7.3) for
/// ARP and ND alike. Time comes in; solicitations and frames go out through NeighborActions.
class NeighborTable {
 public:
  static constexpr uint32_t kMaxNeighbors = 16384;
  static constexpr uint32_t kMaxUnresolved = 4096;  ///< incomplete and failed ones: a scan leaves room for the others
  static constexpr uint32_t kMaxQueuedPerNeighbor = 8;  ///< beyond it the oldest is failed
  static constexpr uint32_t kMaxQueued = 1024;          ///< frames that wait in all: buffers that a scan can hold
  static constexpr uint8_t kMaxAttempts = 3;
  static constexpr Nanoseconds kRetryTime = 1'000'000'000;
  static constexpr Nanoseconds kReachableTime = 30'000'000'000;
  static constexpr Nanoseconds kFailedTime = 3'000'000'000;
  static constexpr Nanoseconds kIdleTime = 600'000'000'000;  ///< unused for so long, an entry goes
  static constexpr uint32_t kScannedPerTick = 2048;

  explicit NeighborTable(const HashKey& key);
  /// Frames that wait are released.
  ~NeighborTable();
  NeighborTable(const NeighborTable&) = delete;
  NeighborTable& operator=(const NeighborTable&) = delete;

  NeighborIndex find(uint16_t port, const wire::Address& address) const;
  /// The entry, which is solicited if it is new. kNoNeighbor: the table is full (neighbor_table_full).
  NeighborIndex find_or_create(uint16_t port, const wire::Address& address, Nanoseconds now, NeighborActions& actions);

  const Neighbor& at(NeighborIndex index) const { return entries_[index]; }
  /// For sending: notes that the neighbour is in use.
  const NextHop& use(NeighborIndex index, Nanoseconds now) {
    hops_[index].used = now;
    return hops_[index];
  }
  /// Keeps a frame until its neighbour is resolved; what is not incomplete ends or delivers the frame at once.
  void queue(NeighborIndex index, Segment* frame, NeighborActions& actions);

  /// Takes in what a message told; delivers the frames that had waited for it.
  void learn(uint16_t port, const NeighborNews& news, Nanoseconds now, NeighborActions& actions);
  /// Retries, probes, fails and forgets. To be called every 100 ms or so.
  void tick(Nanoseconds now, NeighborActions& actions);
  /// Forgets all neighbours of a port; frames that wait for them fail with port_down.
  void forget_port(uint16_t port, NeighborActions& actions);

  /// Changes whenever an index comes to mean another neighbour, or none. At most once in a tick.
  uint32_t epoch() const { return epoch_; }
  /// Makes a new epoch: what was remembered of exits no longer counts.
  void forget_exits() { ++epoch_; }
  uint32_t size() const { return in_use_; }
  uint32_t queued() const { return queued_; }

 private:
  struct Waiting {
    Segment* frame;
    uint16_t next;
  };
  uint32_t bucket(uint16_t port, const wire::Address& address) const;
  NeighborIndex create(uint16_t port, const wire::Address& address, Nanoseconds now, const LinkEnd& link);
  void forget(NeighborIndex index);
  NextHop& hop_of(const Neighbor& entry) { return hops_[static_cast<size_t>(&entry - entries_.data())]; }
  bool outlived(NeighborIndex index, Nanoseconds now) const;
  void enter(Neighbor& entry, NeighborState state, Nanoseconds now);
  void solicit(Neighbor& entry, Nanoseconds now, NeighborActions& actions);
  void expire(NeighborIndex index, Nanoseconds now, NeighborActions& actions);
  void update(Neighbor& entry, const NeighborNews& news, Nanoseconds now);
  Segment* unqueue(Neighbor& entry);

  HashKey key_;
  std::vector<Neighbor> entries_;
  std::vector<NextHop> hops_;  // of the entries, by index
  std::vector<NeighborIndex> buckets_;
  std::vector<Waiting> waiting_;
  NeighborIndex free_ = kNoNeighbor;
  uint16_t free_waiting_ = 0;
  uint32_t in_use_ = 0;
  uint32_t unresolved_ = 0;
  uint32_t queued_ = 0;
  uint32_t cursor_ = 0;
  uint32_t epoch_ = 1;
};

}  // namespace flatproxy
