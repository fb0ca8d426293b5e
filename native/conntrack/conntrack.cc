#include "conntrack/conntrack.h"

#include "wire/bytes.h"
#include "wire/tcp.h"

namespace flatproxy {
namespace {

constexpr uint8_t kUdp = 17;

TcpSegment read_tcp(const Segment* head) {
  const uint8_t* tcp = head->data + head->l4_offset;
  const uint32_t header = static_cast<uint32_t>(tcp[12] >> 4) * 4;
  TcpSegment s = read_tcp_header(head);
  if ((s.flags & kTcpSyn) != 0) {
    const auto options = wire::TcpOptions::parse({tcp + wire::kTcpSize, header - wire::kTcpSize});
    if (options && options->window_scale) s.window_scale = *options->window_scale;
  }
  return s;
}

bool is_shorter(FlowState state) { return state >= FlowState::tcp_fin_wait && state <= FlowState::tcp_close; }

}  // namespace

void Conntrack::configure(const FlowSettings& settings) {
  const FlowTimeouts& t = settings.timeouts;
  adopt_ = settings.adopt_midstream;
  // clang-format off
  timeouts_ = {t.tcp_syn_sent, t.tcp_syn_received, t.tcp_established, t.tcp_fin_wait, t.tcp_close_wait,
               t.tcp_last_ack, t.tcp_time_wait,    t.tcp_close,       t.udp,          t.udp_assured,    t.icmp};
  // clang-format on
}

bool Conntrack::update_unusual(FlowMatch match, const Segment* head, uint32_t now, Reason& why) {
  FlowHot& flow = table_.hot(match.id);
  if (flow.protocol == kTcp) {
    if (!update_tcp(match, head, why)) return false;
  } else {
    update_datagram(match);
  }
  count(match, head, now);
  return true;
}

bool Conntrack::update_tcp(FlowMatch match, const Segment* head, Reason& why) {
  FlowHot& flow = table_.hot(match.id);
  if ((head->flags & kLaterFragment) != 0) [[unlikely]] {
    TcpSide& sender = flow.tcp[match.direction];
    if (static_cast<int32_t>(head->fragment_end - sender.end) > 0) sender.end = head->fragment_end;
    return true;
  }
  const FlowState before = flow.state;
  switch (tcp_track(flow, read_tcp(head), match.direction)) {
    case TcpJudgement::accepted:
      break;
    case TcpJudgement::out_of_window:
      why = Reason::tcp_out_of_window;
      return false;
    case TcpJudgement::wrong_state:
      why = Reason::tcp_state_invalid;
      return false;
    case TcpJudgement::reopened:
      close(match.id);
      why = Reason::forwarded;
      return false;
  }
  const bool spoken = match.direction == kReply;
  if (spoken) flow.flags |= kFlowReplySeen;
  const bool established = flow.state >= FlowState::tcp_established && (flow.flags & kFlowReplySeen) != 0;
  if ((flow.flags & kFlowAssured) == 0 && established && flow.state != FlowState::tcp_close) [[unlikely]] {
    table_.assure(match.id, timeouts_);
  } else if (flow.state != before && is_shorter(flow.state)) [[unlikely]] {
    table_.reschedule(match.id, timeouts_);
  }
  return true;
}

TcpJudgement Conntrack::foresee(FlowMatch match, const Segment* head) const {
  if ((head->flags & kLaterFragment) != 0) return TcpJudgement::accepted;
  FlowHot flow = table_.hot(match.id);
  return tcp_track(flow, read_tcp(head), match.direction);
}

void Conntrack::update_datagram(FlowMatch match) {
  FlowHot& flow = table_.hot(match.id);
  if (match.direction == kReply) {
    flow.flags |= kFlowReplySeen;
    return;
  }
  // A question after an answer: the two sides talk.
  if ((flow.flags & (kFlowReplySeen | kFlowAssured)) == kFlowReplySeen && flow.protocol == kUdp) [[unlikely]] {
    flow.state = FlowState::udp_assured;
    table_.assure(match.id, timeouts_);
  }
}

FlowId Conntrack::open(const Tuple& tuple, uint64_t hash, const Segment* head, Direction direction,
                       const Translation* translation, uint32_t now, Reason& why) {
  TcpSegment segment{};
  bool adopt = false;
  if (tuple.protocol == kTcp) {
    if ((head->flags & kLaterFragment) != 0) {
      why = Reason::tcp_no_flow;
      return kNoFlow;
    }
    segment = read_tcp(head);
    adopt = (segment.flags & (kTcpSyn | kTcpAck)) != kTcpSyn;
    if (adopt && (!adopt_ || (segment.flags & kTcpRst) != 0)) {
      why = Reason::tcp_no_flow;
      return kNoFlow;
    }
  }
  FlowId id = table_.full() ? kNoFlow : table_.open(tuple, hash, translation);
  // One flow goes for the table, one for each of the two places in the index, at most.
  for (int given_up = 0; id == kNoFlow && given_up < 3; ++given_up) {
    const FlowId victim = table_.victim();
    if (victim == kNoFlow) break;
    close(victim);
    ++evicted_;
    id = table_.open(tuple, hash, translation);
  }
  if (id == kNoFlow) {
    why = Reason::flow_table_full;
    return kNoFlow;
  }
  FlowHot& flow = table_.hot(id);
  if (tuple.protocol == kTcp) {
    tcp_open(flow, segment, direction, adopt);
  } else {
    flow.state = tuple.protocol == kUdp ? FlowState::udp : FlowState::icmp;
  }
  flow.ingress = head->port;
  table_.cold(id).opened_at = now;
  count({id, direction}, head, now);
  table_.schedule(id, timeouts_);
  return id;
}

bool Conntrack::expire(uint32_t now, unsigned budget) {
  for (;;) {
    const FlowId id = table_.take_expired(now, timeouts_, budget);
    if (id == kNoFlow) return budget > 0;
    close(id);
  }
}

}  // namespace flatproxy
