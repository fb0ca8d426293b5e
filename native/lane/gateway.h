#pragma once

#include <cstring>
#include <utility>
#include <vector>

#include "config/snapshot.h"
#include "l3/exit_cache.h"
#include "l3/hop.h"
#include "l3/icmp_error.h"
#include "l3/neighbor_message.h"
#include "l3/neighbor_table.h"
#include "lane/egress.h"
#include "lane/shared.h"
#include "packet/buffers.h"
#include "packet/reason.h"
#include "wire/ethernet.h"
#include "wire/parse.h"
#include "wire/tuple_of.h"

namespace flatproxy {

class HealthStage;

/// The node as a router, for one lane: which packets are for it, what it answers itself (ARP, ND, echo, errors), and
/// by which port and neighbour the others leave.
class Gateway : private NeighborActions {
 public:
  static constexpr uint16_t kNoExit = kNoNeighbor;

  Gateway(unsigned lane, LaneShared& shared, Buffers& buffers, Egress& egress);

  void adopt(const Snapshot& snapshot);
  /// The lane that has the health stage brings it the answers to probes; all others hand them over.
  void use(HealthStage* health) { health_ = health; }
  void set_time(Nanoseconds now) { now_ = now; }
  /// Retries and forgets neighbours.
  void tick();

  /// A parsed frame: true when it is an IP packet that may have to go on. All others have ended here.
  bool admit(Segment* frame);
  /// Every lane is to learn from link messages: takes a copy of one that another lane has received and answered, and
  /// ends it uncounted.
  void learn_from(Segment* copy);

  /// Sends a packet where its destination address leads, or ends it.
  [[gnu::always_inline]] void carry(Segment* frame, Reason reason) {
    const uint16_t exit = known_exit(frame);
    Reason why;
    if (exit == kNoExit || hops_left(frame) <= 1 || !send_by(frame, exit, reason, why)) [[unlikely]]
      carry_unusual(frame, reason);
  }
  /// The same for an ordinary packet in a frame of one wire segment, of which nothing needs to be recorded. False: it
  /// is the caller's still, unchanged.
  [[gnu::always_inline]] bool carry_ordinary(Segment* frame, const wire::OrdinaryPacket& packet, Reason reason) {
    const uint16_t exit = known_exit(exits_v4_, packet.destination);
    const auto hops_left = static_cast<uint8_t>(packet.second);
    if (exit == kNoExit || hops_left <= 1) [[unlikely]]
      return false;
    const NextHop& hop = neighbors_.use(exit, now_);
    if (packet.total > hop.mtu) [[unlikely]]
      return false;
    trim_to(frame, wire::kEthernetSize + packet.total);
    const uint32_t word = take_hop_v4(static_cast<uint32_t>(packet.second));
    std::memcpy(frame->data + wire::kEthernetSize + 8, &word, 4);
    transmit(frame, hop, reason);
    return true;
  }
  /// Answers a packet to an address of ours that no service takes.
  void answer(Segment* frame);
  /// Ends a packet; its sender is told when the reason's verdict is to reject.
  void reject(Segment* frame, Reason why);

  /// Whether the packet may live on for another hop; if not it has ended (time exceeded).
  bool lives_on(Segment* frame) {
    if (hops_left(frame) > 1) [[likely]]
      return true;
    reject(frame, Reason::ttl_exceeded);
    return false;
  }
  /// The exit for the packet's destination, or kNoExit: `why` tells. Good for as long as epoch() stays.
  uint16_t resolve(const Segment* frame, Reason& why);
  /// The exit to the node's own stack behind a port's host side.
  uint16_t exit_to_node(uint16_t side);
  uint16_t port_of(uint16_t exit) const { return neighbors_.at(exit).port; }
  /// Sends a packet by its exit. False: it is the caller's still, unchanged, `why` tells.
  [[gnu::always_inline]] bool send_by(Segment* frame, uint16_t exit, Reason reason, Reason& why) {
    const NextHop& hop = neighbors_.use(exit, now_);
    const uint32_t size = packet_size(frame);
    if (frame->l3_offset != wire::kEthernetSize || size > hop.mtu) [[unlikely]]
      return send_unusual(frame, exit, reason, why);
    // Read before bytes are written, which for all the compiler knows might be this one.
    const uint8_t family = frame->family;
    if (frame->gso_size == 0) trim_to(frame, wire::kEthernetSize + size);  // padding is not part of the packet
    take_hop(frame->data + wire::kEthernetSize, family);
    transmit(frame, hop, reason);
    return true;
  }
  uint32_t epoch() const { return neighbors_.epoch(); }

  /// Takes an ICMP error to an own address if it says that a probe of an endpoint's health cannot arrive. True: it has
  /// ended. @param quoted the packet that it quotes, whose L4 header is at l4_offset
  bool take_probe_error(Segment* frame, const Tuple& quoted, uint16_t l4_offset);

  /// Whether the address is ours: a port's own or a service's.
  bool is_ours(const wire::Address& address) const { return snapshot_->ours(address); }

 private:
  void transmit(Segment* frame, const NextHop& hop, Reason reason) {
    std::memcpy(frame->data, hop.macs, sizeof(hop.macs));
    egress_.send(frame, hop.port, reason);
  }

  uint16_t known_exit(const Segment* frame) {
    if (frame->family == 4) [[likely]]
      return known_exit(exits_v4_, wire::load32_raw(frame->data + frame->l3_offset + wire::Ipv4View::kDestination));
    return known_exit(exits_v6_, wire::destination_of(frame));
  }
  template <typename Key>
  uint16_t known_exit(ExitCache<Key>& exits, const Key& destination) {
    const auto& known = exits.at(destination);
    return known.destination == destination && known.epoch == epoch() ? known.exit : kNoExit;
  }
  void remember_exit(const wire::Address& destination, uint16_t exit);
  void carry_unusual(Segment* frame, Reason reason);
  bool send_unusual(Segment* frame, uint16_t exit, Reason reason, Reason& why);
  void confirm_only_peer(uint16_t id, const wire::Address& neighbor);
  bool take_probe_answer(Segment* frame);
  bool give_to_health(Segment* frame, uint16_t probe_port);
  void take_link_message(Segment* frame);
  void share_link_message(const Segment* frame);
  Segment* error_for(const Segment* frame, Reason why);

  LinkEnd link(uint16_t port) const override;
  void solicit(const Neighbor& neighbor) override;
  void deliver(Segment* frame, NeighborIndex index) override;
  void fail(Segment* frame, Reason why) override;

  unsigned lane_;
  LaneShared& shared_;
  Buffers& buffers_;
  Egress& egress_;
  const Snapshot* snapshot_ = nullptr;
  HealthStage* health_ = nullptr;
  NeighborTable neighbors_;
  ExitCache<uint32_t> exits_v4_;
  ExitCache<wire::Address> exits_v6_;
  std::vector<std::pair<uint16_t, wire::Address>> confirm_;  // port and neighbour: see confirm_only_peer()
  IcmpErrorLimiter errors_;
  Nanoseconds now_ = 0;
};

}  // namespace flatproxy
