#include "l3/nd_responder.h"

#include "l3/built_frame.h"
#include "packet/frame.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv6.h"
#include "wire/nd.h"
#include "wire/parse.h"
#include "wire/tuple_of.h"

namespace flatproxy {
namespace {

using wire::NeighborDiscovery;

constexpr uint8_t kHopLimit = 255;  // RFC 4861 section 7.1: nobody has forwarded it
constexpr uint32_t kMaxMessage = 512;

bool is_type(uint8_t type) { return type >= wire::icmp6::kRouterSolicitation && type <= wire::icmp6::kRedirect; }

// Section 7.1, what the message itself does not know.
bool packet_valid(const Segment* frame) {
  if ((frame->flags & (kFirstFragment | kLaterFragment)) != 0) return false;
  if (frame->l4_offset != frame->l3_offset + wire::kIpv6Size) return false;
  if (wire::Ipv6View{frame->data + frame->l3_offset}.hop_limit() != kHopLimit) return false;
  return (frame->flags & kChecksumValid) != 0 || wire::sum_intact(wire::sum_l4(frame));
}

// Sections 7.1.1 and 7.1.2, the addresses.
bool addresses_valid(const NeighborDiscovery& message, const wire::Address& source, const wire::Address& destination) {
  const wire::Address& target = message.target;
  if (target.multicast() || target.unspecified() || target.loopback() || target.is_v4()) return false;
  if (message.link_layer && (message.link_layer->multicast() || message.link_layer->zero())) return false;
  if (message.type == wire::icmp6::kNeighborAdvertisement) return !message.solicited || !destination.multicast();
  if (!source.unspecified()) return true;
  return !message.link_layer && destination == wire::solicited_node(message.target);
}

// The advertisement has room for one option, whatever the solicitation had.
bool make_room(Segment* frame, uint32_t length) {
  trim_to(frame, length);
  const uint32_t missing = length - frame->frame_length;
  if (frame->next != nullptr || missing > frame->tailroom()) return false;
  frame->length += missing;
  frame->frame_length += missing;
  return true;
}

bool make_advertisement(Segment* frame, const NeighborDiscovery& request, const wire::Mac& ours) {
  const NeighborDiscovery reply{wire::icmp6::kNeighborAdvertisement, true, true, true, request.target, ours};
  const wire::Address asker = wire::source_of(frame);
  const bool detection = asker.unspecified();
  const wire::Address all_nodes = *wire::Address::parse("ff02::1");
  const wire::Address to = detection ? all_nodes : asker;
  const wire::Mac source_mac = wire::load_mac(frame->data + 6);
  const wire::Mac to_mac = detection ? wire::multicast_mac(all_nodes) : request.link_layer.value_or(source_mac);
  if (!make_room(frame, frame->l4_offset + reply.size())) return false;
  wire::store_mac(frame->data, to_mac);
  wire::store_mac(frame->data + 6, ours);
  const auto length = static_cast<uint16_t>(reply.size());
  const wire::Ipv6 ip{0, 0, length, wire::protocol::kIcmp6, kHopLimit, request.target, to};
  ip.emit({frame->data + frame->l3_offset, wire::kIpv6Size});
  NeighborDiscovery answer = reply;
  answer.solicited = !detection;
  answer.emit({frame->data + frame->l4_offset, reply.size()});
  frame->l4_length = length;
  uint8_t* field = frame->data + frame->l4_offset + wire::Icmp::kChecksum;
  wire::store16(field, wire::finish(wire::sum_l4(frame)));
  frame->flags &= static_cast<uint16_t>(~kNeedsChecksum);
  return true;
}

NeighborOutcome advertised(const NeighborDiscovery& message, AddressPredicate answers) {
  NeighborOutcome outcome;
  if (answers(message.target)) return outcome;  // somebody else claims what is ours
  const wire::Mac mac = message.link_layer.value_or(wire::Mac{});
  outcome.news = NeighborNews{message.target, mac, message.solicited, message.override_known, false};
  outcome.reason = Reason::neighbor_learned;
  return outcome;
}

NeighborOutcome solicited(Segment* frame, const NeighborDiscovery& message, const wire::Mac& ours,
                          AddressPredicate answers) {
  NeighborOutcome outcome;
  const wire::Address source = wire::source_of(frame);
  if (answers(source)) return outcome;
  const bool for_us = answers(message.target);
  if (message.link_layer) outcome.news = NeighborNews{source, *message.link_layer, false, true, for_us};
  if (for_us && make_advertisement(frame, message, ours)) outcome.reason = Reason::nd_answered;
  return outcome;
}

}  // namespace

bool is_neighbor_discovery(const Segment* frame) {
  return frame->family == 6 && frame->protocol == wire::protocol::kIcmp6 && (frame->flags & kLaterFragment) == 0 &&
         is_type(frame->data[frame->l4_offset]);
}

NeighborOutcome answer_neighbor_discovery(Segment* frame, const wire::Mac& ours, AddressPredicate answers) {
  NeighborOutcome malformed;
  malformed.reason = Reason::nd_malformed;
  if (!packet_valid(frame) || frame->l4_length > kMaxMessage) return malformed;
  const uint8_t type = frame->data[frame->l4_offset];
  const bool neighbor = type == wire::icmp6::kNeighborSolicitation || type == wire::icmp6::kNeighborAdvertisement;
  if (!neighbor) return {};
  if (!pull_up(frame, frame->l4_offset + frame->l4_length)) return malformed;
  const auto message = NeighborDiscovery::parse({frame->data + frame->l4_offset, frame->l4_length});
  if (!message || !addresses_valid(*message, wire::source_of(frame), wire::destination_of(frame))) return malformed;
  if (type == wire::icmp6::kNeighborAdvertisement) return advertised(*message, answers);
  return solicited(frame, *message, ours, answers);
}

Segment* make_neighbor_solicitation(Buffers& buffers, const Solicitor& from, const wire::Address& target,
                                    const wire::Mac& known) {
  const bool everyone = known == wire::kBroadcastMac;
  const wire::Address to = everyone ? wire::solicited_node(target) : target;
  const wire::Mac to_mac = everyone ? wire::multicast_mac(to) : known;
  const NeighborDiscovery message{wire::icmp6::kNeighborSolicitation, false, false, false, target, from.mac};
  const BuiltPacket packet{from.address, to, wire::protocol::kIcmp6, kHopLimit, 0};
  Segment* frame = build_packet(buffers, from.mac, to_mac, from.vlan, packet, message.size());
  if (frame == nullptr) return nullptr;
  message.emit({frame->data + frame->l4_offset, message.size()});
  return finish_packet(frame, wire::Icmp::kChecksum);
}

}  // namespace flatproxy
