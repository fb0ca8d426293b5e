#pragma once

#include <cstddef>
#include <cstdint>

#include "packet/tuple.h"

namespace flatproxy {

/// Which way a packet goes along its flow.
enum Direction : uint8_t { kOriginal = 0, kReply = 1 };

/// What a flow is in; each has its own timeout, and its name is what users see.
enum class FlowState : uint8_t {
  tcp_syn_sent,
  tcp_syn_received,
  tcp_established,
  tcp_fin_wait,    ///< one side has sent FIN
  tcp_close_wait,  ///< that FIN was acknowledged
  tcp_last_ack,    ///< both sides have sent FIN
  tcp_time_wait,
  tcp_close,  ///< reset
  udp,
  udp_assured,
  icmp,
  count
};
const char* name(FlowState state);

/// One side of a TCP connection as window tracking sees it (van Rooij, "Real Stateful TCP Packet Filtering in IP
/// Filter").
struct TcpSide {
  uint32_t end;         ///< highest sequence number sent, plus one
  uint32_t max_end;     ///< highest sequence number that the other side's window allows
  uint32_t max_window;  ///< largest window that this side has offered, scaled; 0: nothing seen of this side yet
};

enum FlowFlag : uint16_t {
  kFlowV6 = 1 << 0,
  kFlowTranslated = 1 << 1,  ///< the destination is rewritten to nat_address:nat_port
  kFlowAssured = 1 << 2,     ///< both sides have spoken: never evicted
  kFlowReplySeen = 1 << 3,
  kFlowAdopted = 1 << 4,      ///< taken up in mid-stream: windows are learned
  kFlowScaleKnown = 1 << 5,   ///< both SYNs were seen, so the window scales are right
  kFlowFinOriginal = 1 << 6,  ///< FIN seen in that direction
  kFlowFinReply = 1 << 7,
  kFlowInDirectory = 1 << 8,  ///< the owner directory has an entry for its reply tuple
  kFlowInUse = 1 << 9,
  kFlowClaimed = 1 << 10,    ///< a port was told to take its replies (take: 'matched')
  kFlowHasDuties = 1 << 11,  ///< policies want something done with each of its packets
  kFlowByLink = 1 << 12,     ///< passes between joined ports: has a zone
};

/// Index of a flow in its table.
using FlowId = uint32_t;
constexpr FlowId kNoFlow = ~FlowId{0};

/// What every packet of a flow touches: one cache line. IPv6 addresses stand in FlowAddresses6.
/// Addresses are in network order, ports in host order; times are milliseconds on the lane's clock.
/// The order of the first fields is that of the two comparisons that find a flow: (source, destination) with its ports,
/// and (nat_address, source), from where a reply comes, with its.
struct alignas(64) FlowHot {
  uint32_t nat_address;  ///< the destination, where it is not translated; likewise nat_port
  uint32_t source;
  uint32_t destination;
  uint16_t destination_port;
  uint16_t source_port;
  uint16_t nat_source_port;  ///< source port towards the endpoint; another than source_port where that one was taken
  uint16_t nat_port;
  uint16_t flags;
  uint8_t protocol;
  FlowState state;
  uint8_t window_scale[2];  ///< by direction
  uint16_t ingress;         ///< port id that the flow's first packet came from, or that its sender has moved to
  uint32_t last_seen;
  TcpSide tcp[2];    ///< by direction of the sender
  uint16_t exit[2];  ///< cached neighbour index by direction of the packet; valid while exit_epoch is the lane's
  uint32_t exit_epoch;
};
static_assert(sizeof(FlowHot) == 64);
static_assert(offsetof(FlowHot, destination) == offsetof(FlowHot, source) + 4);
static_assert(offsetof(FlowHot, source) == offsetof(FlowHot, nat_address) + 4);
static_assert(offsetof(FlowHot, source_port) == offsetof(FlowHot, destination_port) + 2);
static_assert(offsetof(FlowHot, nat_port) == offsetof(FlowHot, nat_source_port) + 2);

/// What is counted, listed and linked.
struct FlowCold {
  uint64_t bytes[2];              ///< of IP packets, by direction
  uint64_t packets_0 : 48;        ///< wire segments, original direction
  uint64_t service_or_zone : 16;  ///< service id of a kFlowTranslated flow; the tuple's zone of a kFlowByLink one
  uint64_t packets_1 : 48;
  uint64_t wheel_slot : 16;  ///< list of the expiry wheel that it stands in
  uint32_t next, previous;   ///< in that list
  uint32_t endpoint : 24;    ///< endpoint id + 1; 0: none
  uint32_t judged : 8;       ///< under which policies it was counted and told of, as the flow stage numbers them
  uint32_t opened_at;        ///< milliseconds on the lane's clock
};
static_assert(sizeof(FlowCold) == 48);

/// Full addresses of an IPv6 flow; touched by IPv6 flows only.
struct FlowAddresses6 {
  wire::Address source;
  wire::Address destination;
  wire::Address nat_address;
};

/// Index bytes of one flow (FlowTable::kIndexBytesPerFlow) come on top.
constexpr unsigned kFlowBytesV4 = sizeof(FlowHot) + sizeof(FlowCold) + 16;
static_assert(kFlowBytesV4 <= 128, "the budget of an IPv4 flow");

}  // namespace flatproxy
