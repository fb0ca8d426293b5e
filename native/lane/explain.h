#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/snapshot.h"
#include "conntrack/flow_record.h"
#include "lane/first_packet.h"
#include "packet/reason.h"
#include "packet/tuple.h"

namespace flatproxy {

/// Which part of a packet comes: `unplaced` is a later fragment of which the first one is not known.
enum class Part : uint8_t { whole, first, later, unplaced };

/// What of a packet decides beside its tuple. As it is by itself: of a flow's first packet, which fits everywhere.
struct PacketTraits {
  uint32_t size = 0;             ///< bytes of the IP packet
  uint8_t hops = 64;             ///< TTL or hop limit
  bool addresses_valid = false;  ///< its addresses were looked at already
  Part part = Part::whole;
  bool makes_flow = true;             ///< it is of a kind that belongs to flows: TCP, UDP, echoes
  bool echo_request = true;           ///< of ICMP: an echo request that may be answered
  bool opens = true;                  ///< of TCP: a SYN without ACK
  bool resets = false;                ///< of TCP: RST
  bool claimed = true;                ///< of TCP: a listener that it reaches takes it
  Reason fault = Reason::forwarded;   ///< of TCP: what is wrong with it for a connection that ends here
  Reason misfit = Reason::forwarded;  ///< of TCP: why the flow that it belongs to does not take it
};

/// A packet that is asked about. By its tuple alone: the first one of a flow, well-formed and with hops left: a TCP
/// SYN, a UDP datagram, an ICMP echo request, a packet of RoCEv2.
struct FirstPacket {
  uint16_t port = 0;  ///< id of the port that it comes by; host sides: from the node's own stack
  Tuple tuple;
  std::optional<RoceTarget> roce{};  ///< a packet of RoCEv2, which has no source port
  PacketTraits traits{};
  std::shared_ptr<const std::string> request{};  ///< the head of an HTTP request that comes behind it, as it is sent
  uint16_t vlan = 0;                             ///< id of its VLAN tag, 0: none
};

/// The tuple of a packet in the zone that it is of, whatever that of `packet.tuple` is: a snapshot says which.
inline Tuple tuple_in_zone(const Snapshot& snapshot, const FirstPacket& packet) {
  Tuple tuple = packet.tuple;
  tuple.zone = snapshot.zone(packet.port, packet.vlan);
  return tuple;
}

/// The port by which comes what is said to come by one: what comes from the node's own stack, `kNoPort` or its id among
/// the ports, comes by a host side. @throws Error ERR_FLATPROXY_ARGUMENT when the snapshot has no such port
uint16_t placed(uint16_t port, const Snapshot& snapshot);

/// What is looked at on a packet's way, and how it came out. Beside each: what `id` and `at` of its step are.
enum class Step : uint8_t {
  // clang-format off
  malformed,             ///< at: the reason's name
  vlan,                  ///< id: of the VLAN that it is tagged for
  ether_type,            ///< id: the EtherType
  group_mac, other_mac,  ///< at: the MAC that it is addressed to
  link_answered, link_learned, link_ignored,  ///< ARP or neighbour discovery; at: whom it asks for or tells of
  fragment_first, fragment_later, fragment_waiting, fragment_roce,
  joined,                ///< id: the port that it leaves by, as it is
  source_invalid, destination_invalid, destination_many,
  listener,              ///< id: the one that takes it
  no_listener,
  connection,            ///< it belongs to one that ends here already
  not_intercepted,       ///< id: the listener that it passes by, since it opens nothing
  segment_fragmented, segment_fault, no_connection,  ///< why TCP here does not take it
  quotes_connection,     ///< an ICMP error about one that ends here
  quotes_flow,           ///< an ICMP error about a flow that runs; at: its first packet's "from > to"
  quotes_none, quote_malformed,  ///< an ICMP error about none; at: the reason's name
  speaks_for,            ///< a PROXY header is to say who the client is
  request_malformed,     ///< id: the status of the answer; at: the error's name
  request_unrouted,      ///< answered with 404
  request_route,         ///< id: the rule's index; at: the route; via: the match
  request_redirected,    ///< id: the status; at: where to
  request_answered,      ///< id: the status, of a rule that answers itself
  request_changed,       ///< at: how
  backend_other,         ///< id: a service that has not its turn; at: its weight
  backend,               ///< id: the service whose turn it is; at: its weight
  backend_original,      ///< whom the client has asked for; at: its address
  no_backend,
  endpoint_named,        ///< by the request's cookie
  answered_403, reset,   ///< what a client gets that may not have its endpoint
  answered_503,
  probe,                 ///< it answers a health check of ours
  source_home,           ///< id: its workload's port, that it came by
  source_elsewhere,      ///< id: its workload's port, another one
  source_routed,         ///< at: the prefix that is routed to the port, which workloads are behind
  source_unrouted,       ///< nothing is, or to another port
  source_free,
  flow,                  ///< it runs already; at: its first packet's "from > to"
  out_of_window, wrong_state,  ///< that flow does not take it
  mid_stream,            ///< TCP that is met in mid-stream, so that both ways must be allowed
  no_flow,               ///< TCP that may open none
  flowless,              ///< it is of a kind that belongs to no flow
  service,               ///< id
  reply,                 ///< id: the service that it is a reply in mid-stream of
  no_service,
  own_node, own_echo, own_refused,  ///< to an address of ours: who answers
  draining,
  endpoint,              ///< id; at: its address
  no_endpoint,
  source_port,           ///< id: the one that the endpoint sees
  no_source_port,
  untracked,             ///< no flow is made, so no policy is asked
  egress_none, egress_allowed, egress_denied, egress_rejected, egress_isolated,       ///< id: policy
  ingress_none, ingress_allowed, ingress_denied, ingress_rejected, ingress_isolated,  ///< id: policy; at: of one that
                         ///< isolates, what of it does not match, as misfit() calls it
  default_allow, default_deny,
  log, limit, mirror,    ///< id: policy, which matches
  route,                 ///< id: exit port; at: the prefix; via: the neighbour, if it is not the destination
  no_route,
  back_to_node,          ///< id: exit port
  hops_over,
  too_big,               ///< id: exit port; at: its MTU
  no_port,               ///< the port that it comes by is not there
  count
  // clang-format on
};
/// What JavaScript calls it.
std::string_view name(Step step);

struct ExplainStep {
  Step step;
  uint32_t id = ~0u;
  std::string at{};
  std::string via{};
};

/// What becomes of a packet, and why.
struct Explanation {
  static constexpr uint32_t kNone = ~0u;
  Reason reason = Reason::forwarded;
  uint32_t policy = kNone;  ///< the one that decides, by its place; kNone: no policy, or the default
  uint32_t service = kNone;
  uint32_t endpoint = kNone;
  uint32_t listener = kNone;
  uint16_t exit = kNoPort;
  std::vector<ExplainStep> steps;
};

/// What a lane knows beside the snapshot.
struct LaneView {
  const LaneBalance& balance;
  bool draining = false;
  std::function<bool(const Tuple&)> taken = [](const Tuple&) { return false; };  ///< whether a flow has the tuple
  uint32_t connection_turn = 0;                                                  ///< among a listener's backends
  uint32_t request_turn = 0;                                                     ///< among a rule's
  std::function<bool(const Tuple&)> probed = [](const Tuple&) {
    return false;
  };  ///< whether a probe is under way by it
};

/// What an ICMP error is about.
struct Quote {
  Reason fault = Reason::forwarded;  ///< why nobody can tell
  bool connection = false;           ///< one that ends here
  bool probe = false;                ///< a health check of ours
  const FlowRecord* flow = nullptr;
  Direction direction = kOriginal;  ///< of the flow, in which the error goes
};

/// The listener for a packet's destination and port; nullptr: none, or it is not TCP's first part.
const Listener* listener_for(const Snapshot& snapshot, const FirstPacket& packet);
/// Whether that one has it, also where a flow runs that is older than the listener.
bool ends_here(const Snapshot& snapshot, const FirstPacket& packet, bool draining);

/// What becomes of a packet that belongs to no flow, in the order in which it is treated. Nothing changes. Room in
/// tables and queues, and whether neighbours answer, is not looked at.
Explanation explain(const Snapshot& snapshot, const FirstPacket& packet, const LaneView& lane);
/// The same for one that belongs to a flow that runs, in this direction of it.
/// @param is_new it is judged also where what runs is kept: the flow has let no packet of this class pass
Explanation explain(const Snapshot& snapshot, const FirstPacket& packet, const FlowRecord& flow, Direction direction,
                    bool is_new = false);
/// The same for one that belongs to a connection that ends here, or has just ended.
/// @param reason how it comes out  @param judged policies are asked again
Explanation explain_connection(const Snapshot& snapshot, const FirstPacket& packet,
                               Reason reason = Reason::tcp_terminated, bool judged = false);
/// The same for an ICMP error.
Explanation explain_error(const Snapshot& snapshot, const FirstPacket& packet, const Quote& quote,
                          const LaneView& lane);
/// The same for a flow, or a connection that ends here, that runs already: what would become of its client's next
/// packet.
/// @param packet as the client sends it
Explanation explain_running(const Snapshot& snapshot, const FirstPacket& packet, const FlowRecord& flow);
/// The same for the packet that has opened a flow, or a connection that ends here, under another snapshot. Where its
/// endpoint there may be chosen as well as any other, it is.
Explanation explain_opening(const Snapshot& snapshot, const FirstPacket& packet, const FlowRecord& flow,
                            const LaneView& lane);

}  // namespace flatproxy
