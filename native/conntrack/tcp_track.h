#pragma once

#include <cstdint>

#include "conntrack/flow.h"
#include "conntrack/tcp_segment.h"

namespace flatproxy {

/// How tracking judges a segment of a flow.
enum class TcpJudgement : uint8_t {
  accepted,
  out_of_window,  ///< outside what either side's windows allow
  wrong_state,    ///< a segment that cannot come in this state
  reopened,       ///< a new SYN on a finished connection (RFC 6191): the caller closes the flow and opens another
};

/// Opens the record of a flow with its first segment, a SYN in the original direction; or, with `adopt`, any other
/// segment in either direction: windows are learned from there on.
void tcp_open(FlowHot& flow, const TcpSegment& segment, Direction direction, bool adopt);

/// Judges a segment and, when it is accepted, moves state and windows on.
TcpJudgement tcp_track(FlowHot& flow, const TcpSegment& segment, Direction direction);

}  // namespace flatproxy
