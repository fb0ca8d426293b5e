#pragma once

#include <algorithm>
#include <cstdint>

#include "conntrack/flow.h"
#include "conntrack/tcp_segment.h"
#include "wire/sequence.h"

namespace flatproxy {

// The windows of a tracked TCP connection (van Rooij, "Real Stateful TCP Packet Filtering in IP Filter").

/// How far behind the window an acknowledgement may lie: the rule of the paper, as every implementation has it.
constexpr uint32_t kMinimumAckSlack = 66000;

inline uint32_t sequence_end(const TcpSegment& s) {
  return s.sequence + s.payload + ((s.flags & kTcpSyn) != 0) + ((s.flags & kTcpFin) != 0);
}

inline uint32_t scaled_window(const FlowHot& flow, const TcpSegment& s, Direction direction) {
  // The window of a SYN is never scaled (RFC 7323 section 2.2).
  if ((s.flags & kTcpSyn) != 0) return std::max<uint32_t>(s.window, 1);
  return std::max<uint32_t>(uint32_t{s.window} << flow.window_scale[direction], 1);
}

inline bool in_window(const TcpSide& sender, const TcpSide& receiver, const TcpSegment& s) {
  const uint32_t end = sequence_end(s);
  const uint32_t ack = (s.flags & kTcpAck) != 0 ? s.acknowledgement : receiver.end;
  const uint32_t slack = std::max(sender.max_window, kMinimumAckSlack);
  // Upper edge of the data, lower edge of the data, upper edge and lower edge of the acknowledgement.
  return !after(s.sequence, sender.max_end) && !before(end, sender.end - std::max(receiver.max_window, 1u)) &&
         !after(ack, receiver.end) && !before(ack, receiver.end - slack);
}

inline void advance(TcpSide& sender, TcpSide& receiver, const TcpSegment& s, uint32_t window) {
  sender.max_window = std::max(sender.max_window, window);
  sender.end = later(sequence_end(s), sender.end);
  if ((s.flags & kTcpAck) != 0) receiver.max_end = later(s.acknowledgement + window, receiver.max_end);
  sender.max_end = later(sender.max_end, sender.end);
}

/// The common case of tcp_track(): data or an acknowledgement of an established connection, inside the windows.
/// False: anything else, and nothing has changed.
inline bool tcp_track_established(FlowHot& flow, const TcpSegment& s, Direction direction) {
  const bool common = (s.flags & (kTcpSyn | kTcpFin | kTcpRst | kTcpAck)) == kTcpAck &&
                      flow.state == FlowState::tcp_established && (flow.flags & kFlowAdopted) == 0;
  TcpSide& sender = flow.tcp[direction];
  TcpSide& receiver = flow.tcp[1 - direction];
  if (!common || !in_window(sender, receiver, s)) [[unlikely]]
    return false;
  advance(sender, receiver, s, scaled_window(flow, s, direction));
  return true;
}

}  // namespace flatproxy
