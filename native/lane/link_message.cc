#include "lane/link_message.h"

#include "l3/arp_responder.h"
#include "l3/nd_responder.h"
#include "wire/protocol.h"

namespace flatproxy {

bool is_link_message(const Segment* frame) {
  if (frame->ether_type == wire::ether_type::kArp) return true;
  return frame->protocol == wire::protocol::kIcmp6 && frame->family == 6 && is_neighbor_discovery(frame);
}

NeighborOutcome answer_link_message(const Snapshot& snapshot, Segment* frame) {
  const uint16_t port = frame->port;
  // We answer for what is ours, and for what we would carry away by another port: the workload's link holds nobody
  // else.
  const auto away = [&snapshot, port](const wire::Address& address) {
    if (snapshot.ours(address)) return true;
    const Route* route = snapshot.routes->lookup(address);
    return route != nullptr && route->port != port;
  };
  // To the node's own stack we answer for the services and for who is behind the interface that it asks on. The other
  // addresses of ours are its own.
  const auto behind = [&snapshot, port](const wire::Address& address) {
    if (snapshot.is_virtual(address)) return true;
    const Route* route = snapshot.routes->lookup(address);
    return !snapshot.ours(address) && route != nullptr && host_side(route->port) == port;
  };
  const auto answers = [&](const wire::Address& address) {
    return is_host_side(port) ? behind(address) : away(address);
  };
  const wire::Mac& mac = snapshot.port(port)->info().mac;
  return frame->ether_type == wire::ether_type::kArp ? answer_arp(frame, mac, answers)
                                                     : answer_neighbor_discovery(frame, mac, answers);
}

}  // namespace flatproxy
