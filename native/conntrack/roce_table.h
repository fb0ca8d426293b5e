#pragma once

#include <array>
#include <cstdint>

#include "conntrack/flow_index.h"
#include "conntrack/region.h"
#include "conntrack/roce_counts.h"
#include "packet/flow_hash.h"
#include "wire/roce.h"

namespace flatproxy {

/// What makes a RoCEv2 flow, which is one-way: who sends to which queue pair of whom. The UDP source port is no part of
/// it: senders vary it, for the network to spread what they send.
struct RoceKey {
  wire::Address source;
  wire::Address destination;
  uint32_t qp = 0;  ///< the destination's, 24 bits
  uint8_t family = 0;
  uint16_t zone = 0;  ///< as Tuple's
  bool operator==(const RoceKey&) const = default;
};

/// Not symmetric, as flow_hash() is: each way is a flow of its own.
inline uint64_t roce_hash(const RoceKey& key, const HashKey& secret) {
  uint64_t addresses = key.source.v4() | uint64_t{key.destination.v4()} << 32;
  if (key.family != 4) addresses = hash_end(key.source, 0, 6, secret) + 3 * hash_end(key.destination, 0, 6, secret);
  const uint64_t hash = fold_multiply(addresses ^ secret.words[0], secret.words[1]) ^ key.qp;
  return fold_multiply(key.zone == 0 ? hash : hash_in_zone(hash, key.zone, secret), secret.words[3]);
}

enum RoceFlowFlag : uint8_t {
  kRoceRequestsSeen = 1 << 0,   ///< next_request is known
  kRoceResponsesSeen = 1 << 1,  ///< next_response is known
  kRoceHasDuties = 1 << 2,      ///< policies want something done with packets of it, as of exit_epoch
};

/// What every packet of a flow touches: one cache line.
struct alignas(64) RoceFlow {
  RoceKey key;
  uint32_t next_request;   ///< behind the highest number of its requests; likewise next_response
  uint32_t next_response;  ///< of what it answers
  uint32_t last_seen;      ///< milliseconds on the lane's clock
  uint32_t exit_epoch;     ///< as FlowHot's
  uint16_t exit;
  uint16_t ingress;  ///< as FlowHot's
  uint8_t allowed;   ///< by class: a bit is set where policies let it pass, as of exit_epoch
  uint8_t flags;     ///< RoceFlowFlag
  uint8_t judged;    ///< as FlowCold's
  bool in_use;
};
static_assert(sizeof(RoceFlow) == 64 && wire::kRoceClasses <= 8);

enum RoceTrouble : uint8_t { kRoceNak, kRoceCnp };

/// What a packet is to its flow.
struct RocePacket {
  wire::RoceOpcode opcode;
  uint32_t psn = 0;
  bool nak = false;
  uint32_t bytes = 0;  ///< of the IP packet
};

/// The RoCEv2 flows of a lane. Bounded: when it is full, the flow that was quiet for longest among a few makes room.
class RoceTable {
 public:
  static constexpr uint32_t kMaxFlows = 65'536;
  static constexpr uint32_t kIdle = 60'000;  ///< milliseconds without a packet: the flow is over

  /// @param capacity flows, 1 to kMaxFlows
  RoceTable(uint32_t capacity, const HashKey& secret);

  void prefetch_index(uint64_t hash) const { index_.prefetch(hash); }
  /// Starts loading what the hash most likely means, and tells which flow that is: kNoFlow if the first place to look
  /// at has none.
  FlowId prefetch_flow(uint64_t hash, wire::RoceClass kind) const {
    const FlowId id = index_.candidate(hash);
    if (id == kNoFlow) return id;
    __builtin_prefetch(&flows_[id], 1);
    __builtin_prefetch(&counts_[id].counts.classes[static_cast<size_t>(kind)], 1);
    return id;
  }
  /// @param likely what prefetch_flow() told, or kNoFlow; the table may have changed since
  FlowId find(const RoceKey& key, uint64_t hash, FlowId likely) const {
    if (likely != kNoFlow && is(likely, key)) [[likely]]
      return likely;
    return index_.find(hash, [&](FlowId id) { return is(id, key); });
  }
  /// For a key that find() did not find. kNoFlow: there is no room where it belongs.
  FlowId open(const RoceKey& key, uint64_t hash, uint32_t now);
  /// The flow to give up so that open() finds room.
  FlowId victim(uint64_t hash, uint32_t now);
  void close(FlowId id);
  /// A flow that is over among the next `budget` places, which goes down, or kNoFlow.
  FlowId take_idle(uint32_t now, uint32_t& budget);

  /// Counts a packet of a flow. True: it had been sent before.
  bool count(FlowId id, const RocePacket& packet, uint32_t now) {
    RoceFlow& flow = flows_[id];
    RoceCounts& counts = counts_[id].counts;
    flow.last_seen = now;
    RoceCounts::Class& part = counts.classes[static_cast<size_t>(packet.opcode.kind)];
    ++part.packets;
    part.bytes += packet.bytes;
    if (packet.nak) [[unlikely]]
      ++counts.naks;
    const bool again = sent_before(flow, packet);
    if (again) [[unlikely]]
      ++counts.retransmitted;
    return again;
  }

  /// What is rare and tells of trouble, by RoceTrouble: how many a flow has had in the second that began with its
  /// first, this one included.
  uint32_t count_trouble(FlowId id, RoceTrouble trouble, uint32_t now) {
    Window& window = counts_[id].trouble[trouble];
    if (window.count == 0 || now - window.begun >= 1000) window = {now, 0};
    return ++window.count;
  }

  bool in_use(FlowId id) const { return flows_[id].in_use; }
  RoceFlow& at(FlowId id) { return flows_[id]; }
  const RoceFlow& at(FlowId id) const { return flows_[id]; }
  const RoceCounts& counts(FlowId id) const { return counts_[id].counts; }
  uint32_t opened_at(FlowId id) const { return counts_[id].opened_at; }
  uint32_t size() const { return used_; }
  uint32_t capacity() const { return capacity_; }
  /// Ids in use lie below this.
  uint32_t id_limit() const { return fresh_; }

 private:
  bool is(FlowId id, const RoceKey& key) const { return flows_[id].key == key && flows_[id].in_use; }

  struct Window {
    uint32_t begun = 0;  // milliseconds
    uint32_t count = 0;
  };
  struct alignas(64) Cold {
    RoceCounts counts;
    uint32_t opened_at = 0;
    std::array<Window, 2> trouble;  // by RoceTrouble
  };

  /// No sender has so many packets under way: what is further behind is a new connection of the same queue pair.
  static constexpr int32_t kMostUnderWay = 1 << 16;

  /// a - b in numbers of 24 bits, which go round (InfiniBand specification, section 9.7.1).
  static int32_t psn_distance(uint32_t a, uint32_t b) { return static_cast<int32_t>((a - b) << 8) >> 8; }
  static bool sent_before(RoceFlow& flow, const RocePacket& packet) {
    if (packet.opcode.numbers == wire::RoceNumbers::none) return false;
    const bool request = packet.opcode.numbers == wire::RoceNumbers::requests;
    uint32_t& next = request ? flow.next_request : flow.next_response;
    const uint8_t seen = request ? kRoceRequestsSeen : kRoceResponsesSeen;
    if ((flow.flags & seen) != 0) {
      const int32_t ahead = psn_distance(packet.psn, next);
      if (ahead < 0 && ahead >= -kMostUnderWay) return true;
    }
    flow.flags |= seen;
    next = (packet.psn + 1) & wire::kRoceNumberMask;
    return false;
  }
  FlowId next_place();

  uint32_t capacity_;
  uint32_t used_ = 0;
  uint32_t fresh_ = 0;  // ids [fresh_, capacity_) were never used
  uint32_t cursor_ = 0;
  FlowId free_ = kNoFlow;  // list of freed ids, through RoceFlow::next_request
  HashKey secret_;
  FlowIndex index_;
  Region<RoceFlow> flows_;
  Region<Cold> counts_;
};

}  // namespace flatproxy
