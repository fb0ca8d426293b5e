#pragma once

#include <cstdint>

#include "conntrack/flow.h"

namespace flatproxy {

/// A TCP segment as tracking sees it; fields in host order, the window as on the wire.
struct TcpSegment {
  uint32_t sequence;
  uint32_t acknowledgement;
  uint32_t payload;  ///< bytes of data; of a frame of several wire segments, of all
  uint16_t window;
  uint8_t flags;         ///< the flag byte of the header
  uint8_t window_scale;  ///< SYN: the shift of its option, or kNoWindowScale
};
constexpr uint8_t kNoWindowScale = 0xff;
constexpr uint8_t kTcpFin = 0x01, kTcpSyn = 0x02, kTcpRst = 0x04, kTcpPsh = 0x08, kTcpAck = 0x10;

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
