#include "conntrack/tcp_track.h"

#include <algorithm>

#include "conntrack/tcp_window.h"

namespace flatproxy {
namespace {

/// The largest window that the protocol can express (RFC 7323 section 2.3), the bound while scales are unknown.
constexpr uint32_t kWidestWindow = 65535u << 14;
/// Data on a SYN fits one packet (RFC 7413 section 4.2.1 keeps to the MSS).
constexpr uint32_t kMostDataOnSyn = 9000;

/// The first sight of a side: nothing is known but this segment.
void learn_side(TcpSide& sender, const TcpSide& receiver, const TcpSegment& s, uint32_t window) {
  sender.end = sequence_end(s);
  sender.max_window = window;
  sender.max_end = receiver.max_window != 0 ? sender.end + receiver.max_window : sender.end;
}

void learn_scale(FlowHot& flow, const TcpSegment& s, Direction direction) {
  // RFC 7323 section 2.3: shifts above 14 are taken as 14.
  flow.window_scale[direction] =
      s.window_scale == kNoWindowScale ? kNoWindowScale : std::min<uint8_t>(s.window_scale, 14);
}

/// Both SYNs are known: scaling is on only if both carried the option (RFC 7323 section 1.3).
void settle_scales(FlowHot& flow) {
  if (flow.window_scale[kOriginal] == kNoWindowScale || flow.window_scale[kReply] == kNoWindowScale) {
    flow.window_scale[kOriginal] = flow.window_scale[kReply] = 0;
  }
  flow.flags |= kFlowScaleKnown;
}

/// A SYN/ACK acknowledges the SYN, and of the data that came with it (RFC 7413) as much as it likes.
bool acknowledges_syn(const TcpSide& opener, const TcpSegment& s) {
  return !after(s.acknowledgement, opener.end) && !before(s.acknowledgement, opener.end - kMostDataOnSyn);
}

TcpJudgement on_syn(FlowHot& flow, const TcpSegment& s, Direction direction) {
  const bool finished = flow.state == FlowState::tcp_time_wait || flow.state == FlowState::tcp_close;
  if (finished && direction == kOriginal && (s.flags & kTcpAck) == 0) return TcpJudgement::reopened;
  TcpSide& sender = flow.tcp[direction];
  TcpSide& receiver = flow.tcp[1 - direction];
  const bool opening = flow.state == FlowState::tcp_syn_sent || flow.state == FlowState::tcp_syn_received;
  if (!opening) {
    // A client that lost its memory begins anew from the same port: the endpoint answers with a challenge ACK whatever
    // the sequence number (RFC 5961 section 4.2), and the client's reset ends the connection that it does not know
    // (RFC 9293 section 3.5.1). The flow stays as it is until then.
    if (direction == kOriginal && (s.flags & kTcpAck) == 0) return TcpJudgement::accepted;
    return (flow.flags & kFlowScaleKnown) != 0 && in_window(sender, receiver, s) ? TcpJudgement::accepted
                                                                                 : TcpJudgement::out_of_window;
  }
  if (direction == kOriginal) {
    // The client begins anew before it was answered, perhaps with another sequence number.
    if (flow.state == FlowState::tcp_syn_sent) tcp_open(flow, s, kOriginal, false);
    return TcpJudgement::accepted;
  }
  if ((s.flags & kTcpAck) != 0 && !acknowledges_syn(receiver, s)) return TcpJudgement::out_of_window;
  // What it says once more changes nothing that was agreed on.
  if (flow.state == FlowState::tcp_syn_sent) {
    learn_scale(flow, s, direction);
    settle_scales(flow);
  }
  learn_side(sender, receiver, s, scaled_window(flow, s, direction));
  receiver.max_end = later(receiver.max_end, receiver.end + sender.max_window);
  flow.state = FlowState::tcp_syn_received;
  return TcpJudgement::accepted;
}

TcpJudgement on_reset(FlowHot& flow, const TcpSegment& s, Direction direction) {
  const TcpSide& sender = flow.tcp[direction];
  const TcpSide& receiver = flow.tcp[1 - direction];
  if (sender.max_window == 0) {
    // The answer to a SYN: its acknowledgement proves that it saw the SYN (RFC 9293 section 3.10.7.3).
    if ((s.flags & kTcpAck) != 0 && flow.state == FlowState::tcp_syn_sent && s.acknowledgement != receiver.end) {
      return TcpJudgement::out_of_window;
    }
  } else if (after(s.sequence, sender.max_end) || before(s.sequence, sender.end - std::max(receiver.max_window, 1u))) {
    return TcpJudgement::out_of_window;
  }
  // RFC 5961 section 3: only the exact next number resets for certain. Any other in the window may be answered by a
  // challenge ACK, so the flow lives on until its timeout, shortened by the next packets' silence.
  if (sender.max_window == 0 || s.sequence == sender.end || flow.state != FlowState::tcp_established) {
    if (flow.state == FlowState::tcp_syn_sent) settle_scales(flow);  // segments may come all the same
    flow.state = FlowState::tcp_close;
  }
  return TcpJudgement::accepted;
}

void on_fin(FlowHot& flow, Direction direction) {
  flow.flags |= direction == kOriginal ? kFlowFinOriginal : kFlowFinReply;
  const bool both = (flow.flags & (kFlowFinOriginal | kFlowFinReply)) == (kFlowFinOriginal | kFlowFinReply);
  if (flow.state == FlowState::tcp_close || flow.state == FlowState::tcp_time_wait) return;
  if (both) {
    flow.state = FlowState::tcp_last_ack;
  } else if (flow.state < FlowState::tcp_fin_wait) {
    flow.state = FlowState::tcp_fin_wait;
  }
}

/// An acknowledgement of everything that the other side has sent, its FIN included.
void on_ack(FlowHot& flow, const TcpSegment& s, Direction direction) {
  const TcpSide& receiver = flow.tcp[1 - direction];
  const bool other_fin = (flow.flags & (direction == kOriginal ? kFlowFinReply : kFlowFinOriginal)) != 0;
  switch (flow.state) {
    case FlowState::tcp_syn_received:
      if (direction == kOriginal) flow.state = FlowState::tcp_established;
      break;
    case FlowState::tcp_fin_wait:
      if (other_fin && s.acknowledgement == receiver.end) flow.state = FlowState::tcp_close_wait;
      break;
    case FlowState::tcp_last_ack:
      if (other_fin && s.acknowledgement == receiver.end) flow.state = FlowState::tcp_time_wait;
      break;
    default:
      break;
  }
}

}  // namespace

void tcp_open(FlowHot& flow, const TcpSegment& segment, Direction direction, bool adopt) {
  flow.tcp[kOriginal] = {};
  flow.tcp[kReply] = {};
  flow.state = adopt ? FlowState::tcp_established : FlowState::tcp_syn_sent;
  if (adopt) {
    // Scales are unknown: the widest window is allowed, so that nothing valid is refused.
    flow.flags |= kFlowAdopted;
    flow.window_scale[kOriginal] = flow.window_scale[kReply] = 14;
    TcpSide& sender = flow.tcp[direction];
    TcpSide& receiver = flow.tcp[1 - direction];
    sender.end = sequence_end(segment);
    sender.max_window = kWidestWindow;
    sender.max_end = sender.end + kWidestWindow;
    if ((segment.flags & kTcpAck) != 0) {
      receiver.end = segment.acknowledgement;
      receiver.max_window = 0;
      receiver.max_end = receiver.end + kWidestWindow;
    }
    return;
  }
  learn_scale(flow, segment, kOriginal);
  learn_side(flow.tcp[kOriginal], flow.tcp[kReply], segment, scaled_window(flow, segment, kOriginal));
}

TcpJudgement tcp_track(FlowHot& flow, const TcpSegment& s, Direction direction) {
  if ((s.flags & kTcpSyn) != 0) [[unlikely]]
    return on_syn(flow, s, direction);
  if ((s.flags & kTcpRst) != 0) [[unlikely]]
    return on_reset(flow, s, direction);
  TcpSide& sender = flow.tcp[direction];
  TcpSide& receiver = flow.tcp[1 - direction];
  // RFC 9293 section 3.10.7: every other segment carries an acknowledgement.
  if ((s.flags & kTcpAck) == 0) [[unlikely]]
    return TcpJudgement::wrong_state;
  if (flow.state == FlowState::tcp_syn_sent) [[unlikely]]
    return TcpJudgement::wrong_state;

  if ((flow.flags & kFlowAdopted) != 0) {
    if (sender.max_window == 0) {
      // The first segment of the other side of an adopted flow.
      sender.end = sequence_end(s);
      sender.max_window = kWidestWindow;
      sender.max_end = sender.end + kWidestWindow;
    }
    // What was in flight past us when we began is taken on trust: both edges follow what the sides say.
    receiver.end = later(receiver.end, s.acknowledgement);
  }
  const uint32_t window = scaled_window(flow, s, direction);
  if (!in_window(sender, receiver, s)) [[unlikely]]
    return TcpJudgement::out_of_window;
  advance(sender, receiver, s, window);
  if ((s.flags & kTcpFin) != 0) [[unlikely]] {
    // What its acknowledgement says of the other side's FIN, the states before it have said.
    on_fin(flow, direction);
  } else if (flow.state != FlowState::tcp_established) [[unlikely]] {
    on_ack(flow, s, direction);
  }
  return TcpJudgement::accepted;
}

}  // namespace flatproxy
