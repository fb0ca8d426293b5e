#include "l3/arp_responder.h"

#include "l3/built_frame.h"
#include "packet/frame.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/parse.h"

namespace flatproxy {
namespace {

using wire::Arp;

bool sender_valid(const Arp& arp) {
  constexpr uint32_t kBroadcast = 0xffffffffu;
  if (arp.sender_mac.multicast() || arp.sender_mac.zero()) return false;
  return !arp.sender.multicast() && !arp.sender.loopback() && arp.sender.v4() != kBroadcast;
}

NeighborNews news_of(const Arp& arp, bool for_us, const wire::Mac& ours) {
  const bool announcement = arp.sender == arp.target;
  const bool reply_to_us = arp.operation == Arp::kReply && arp.target_mac == ours;
  return {arp.sender, arp.sender_mac, reply_to_us && !announcement, true, for_us && arp.operation == Arp::kRequest};
}

void make_reply(Segment* frame, const Arp& request, const wire::Mac& ours) {
  wire::store_mac(frame->data, request.sender_mac);
  wire::store_mac(frame->data + 6, ours);
  const Arp reply{Arp::kReply, ours, request.target, request.sender_mac, request.sender};
  reply.emit({frame->data + frame->l3_offset, wire::kArpSize});
}

}  // namespace

NeighborOutcome answer_arp(Segment* frame, const wire::Mac& ours, AddressPredicate answers) {
  NeighborOutcome outcome;
  const auto arp = Arp::parse({frame->data + frame->l3_offset, frame->length - frame->l3_offset});
  if (!arp || !sender_valid(*arp)) {
    outcome.reason = Reason::arp_malformed;
    return outcome;
  }
  const bool probe = arp->sender.unspecified();
  if (!probe && answers(arp->sender)) return outcome;  // somebody else claims what is ours
  const bool for_us = arp->sender != arp->target && answers(arp->target);
  if (!probe) outcome.news = news_of(*arp, for_us, ours);
  if (arp->operation == Arp::kRequest && for_us) {
    make_reply(frame, *arp, ours);
    outcome.reason = Reason::arp_answered;
  } else if (outcome.news && (outcome.news->solicited || arp->sender == arp->target)) {
    outcome.reason = Reason::neighbor_learned;
  }
  return outcome;
}

Segment* make_arp_request(Buffers& buffers, const Solicitor& from, const wire::Address& target,
                          const wire::Mac& known) {
  wire::Ethernet ethernet{known, from.mac, std::nullopt, wire::ether_type::kArp};
  if (from.vlan != 0) ethernet.vlan = wire::VlanTag{from.vlan, 0, false};
  Segment* frame = build_frame(buffers, ethernet, wire::kArpSize);
  if (frame == nullptr) return nullptr;
  const wire::Mac asked = known == wire::kBroadcastMac ? wire::Mac{} : known;
  Arp{Arp::kRequest, from.mac, from.address, asked, target}.emit({frame->data + frame->l3_offset, wire::kArpSize});
  Reason why;
  if (wire::parse_frame(frame, why)) return frame;
  release(frame);
  return nullptr;
}

}  // namespace flatproxy
