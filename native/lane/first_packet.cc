#include "lane/first_packet.h"

#include "wire/protocol.h"

namespace flatproxy {
namespace {

/// A reply in mid-stream comes from an endpoint whose flow we have never seen (we were started under it): whose virtual
/// address did its client use? With Maglev the one that chooses this endpoint; else the only one that has it.
void restore(const Snapshot& snapshot, const Tuple& reply, const LaneBalance& balance, Opening& opening) {
  const EndpointTable& endpoints = *snapshot.endpoint_table;
  const auto count_one = [](const EndpointTable::Ref&) {};
  const bool single = endpoints.for_each(reply.source, reply.source_port, reply.protocol, count_one) == 1;
  bool found = false;
  endpoints.for_each(reply.source, reply.source_port, reply.protocol, [&](const EndpointTable::Ref& ref) {
    const Service& service = *ref.service;
    for (const wire::Address& address : service.addresses) {
      if (found || address.is_v4() != reply.source.is_v4()) continue;
      const Tuple original{reply.destination, address,        reply.destination_port,
                           service.port,      reply.protocol, reply.family};
      const bool by_hash = service.balance == Balance::maglev || service.source_affinity;
      found = by_hash ? service.picker(reply.family).peek(balance_hash(service, original), balance) == ref.endpoint
                      : single && service.addresses.size() == 1;
      if (found) opening = {original, 0, kReply, &service, ref.endpoint};
    }
  });
}

}  // namespace

Opening opening_for(const Snapshot& snapshot, const Tuple& tuple, const LaneBalance& balance) {
  Opening opening{.original = tuple};
  opening.service = snapshot.service_table->find(tuple.destination, tuple.destination_port, tuple.protocol);
  const bool ours = snapshot.ours(tuple.destination);  // then it answers us, not one of our clients
  if (opening.service == nullptr && !ours && snapshot.flows.adopt_midstream) restore(snapshot, tuple, balance, opening);
  return opening;
}

uint16_t port_towards(const Snapshot& snapshot, const wire::Address& to, uint16_t near) {
  // Who is no client behind a joined port is behind its peer.
  if (snapshot.peer(near) != kNoPort) return snapshot.peer(near);
  const Route* route = snapshot.routes->lookup(to);
  if (route == nullptr) return kNoPort;
  return route->port == snapshot.node_port ? snapshot.node_side(near) : route->port;
}

uint16_t client_port(const Snapshot& snapshot, const Opening& opening, uint16_t arrival) {
  return opening.direction == kOriginal ? arrival : port_towards(snapshot, opening.original.source, arrival);
}

uint16_t client_port_now(const Snapshot& snapshot, const wire::Address& client, uint16_t before) {
  const auto is_home = [&](uint16_t port) {
    return port != kNoPort && snapshot.port(port) != nullptr && snapshot.admits_source(port, client);
  };
  if (is_home(before)) return before;
  const uint16_t now = port_towards(snapshot, client, before);
  return is_home(now) ? now : kNoPort;
}

/// The ports of ICMP are an echo's identifier, which no policy speaks of.
PolicyKey policy_key(const Tuple& original, const wire::Address& endpoint, uint16_t port, uint16_t arrival) {
  const bool icmp = original.protocol == wire::protocol::kIcmp || original.protocol == wire::protocol::kIcmp6;
  return {.source = original.source,
          .destination = endpoint,
          .protocol = original.protocol,
          .port = icmp ? uint16_t{0} : port,
          .arrival = arrival,
          .vlan = original.vlan()};
}

Reason answer_of(const Snapshot& snapshot, uint16_t port, const wire::Address& destination, bool echo_request) {
  const bool service = snapshot.is_virtual(destination);
  // What is the node's and no service's, its own stack answers.
  if (!service && !is_host_side(port) && snapshot.port(host_side(port)) != nullptr) return Reason::forwarded;
  if (echo_request) return Reason::echo_answered;
  return service ? Reason::no_service : Reason::port_unreachable;
}

}  // namespace flatproxy
