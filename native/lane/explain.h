#pragma once

#include <cstdint>
#include <functional>
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

/// The first packet of a flow, well-formed and with hops left: a TCP SYN, a UDP datagram, an ICMP echo request, a
/// packet of RoCEv2.
struct FirstPacket {
  uint16_t port = 0;  ///< id of the port that it comes by; host sides: from the node's own stack
  Tuple tuple;
  std::optional<RoceTarget> roce{};  ///< a packet of RoCEv2, which has no source port
  bool mid_stream = false;           ///< TCP, and no SYN
};

/// Puts what comes from the node's own stack, `kNoPort` or its id among the ports, on a host side.
/// @throws Error ERR_FLATPROXY_ARGUMENT when the snapshot has no such port
void place(FirstPacket& packet, const Snapshot& snapshot);

/// What is looked at on a packet's way, and how it came out. Beside each: what `id` and `at` of its step are.
enum class Step : uint8_t {
  // clang-format off
  joined,                ///< id: the port that it leaves by, as it is
  source_invalid, destination_invalid, destination_many,
  listener,              ///< id: the one that takes it
  no_listener,
  connection,            ///< it belongs to one that ends here already
  source_home,           ///< id: its workload's port, that it came by
  source_elsewhere,      ///< id: its workload's port, another one
  source_routed,         ///< at: the prefix that is routed to the port, which workloads are behind
  source_unrouted,       ///< nothing is, or to another port
  source_free,
  flow,                  ///< it runs already; at: its first packet's "from > to"
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
  ingress_none, ingress_allowed, ingress_denied, ingress_rejected, ingress_isolated,  ///< id: policy
  default_allow, default_deny,
  log, limit, mirror,    ///< id: policy, which matches
  route,                 ///< id: exit port; at: the prefix; via: the neighbour, if it is not the destination
  no_route,
  back_to_node,          ///< id: exit port
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
};

/// What becomes of a packet that belongs to no flow, in the order in which it is treated. Nothing changes. Room in
/// tables and queues, and whether neighbours answer, is not looked at.
Explanation explain(const Snapshot& snapshot, const FirstPacket& packet, const LaneView& lane);
/// The same for one that belongs to a flow that runs, in this direction of it.
/// @param is_new it is judged also where what runs is kept: the flow has let no packet of this class pass
Explanation explain(const Snapshot& snapshot, const FirstPacket& packet, const FlowRecord& flow, Direction direction,
                    bool is_new = false);
/// The same for one that belongs to a connection that ends here.
Explanation explain_connection(const Snapshot& snapshot, const FirstPacket& packet);
/// The same for a flow, or a connection that ends here, that runs already: what would become of its client's next
/// packet.
/// @param packet as the client sends it
Explanation explain_running(const Snapshot& snapshot, const FirstPacket& packet, const FlowRecord& flow);
/// The same for the packet that has opened a flow, or a connection that ends here, under another snapshot. Where its
/// endpoint there may be chosen as well as any other, it is.
Explanation explain_opening(const Snapshot& snapshot, const FirstPacket& packet, const FlowRecord& flow,
                            const LaneView& lane);

}  // namespace flatproxy
