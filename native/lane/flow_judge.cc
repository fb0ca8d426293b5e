// Who may talk to whom: sources are bound to their ports, and flows are judged when they open and when the snapshot
// has changed.
#include "conntrack/tcp_segment.h"
#include "lane/flow_stage.h"
#include "wire/protocol.h"
#include "wire/roce_of.h"
#include "wire/tuple_of.h"

namespace flatproxy {
namespace {

/// Of RoCEv2 the queue pair makes the flow, and not the source port.
void name_queue_pair(Segment* frame, FlowRecord& flow) {
  const wire::Bytes bytes = wire::roce_of(frame);
  if (bytes.empty()) return;
  const wire::Bth bth = wire::Bth::read(bytes.data());
  flow.roce = true;
  flow.qp = bth.destination_qp;
  flow.original.source_port = 0;
  flow.roce_counts.of(wire::roce_class(bth.opcode)) = {flow.packets[kOriginal], flow.bytes[kOriginal]};
}

bool opens_in_mid_stream(const Segment* frame) {
  if (frame->protocol != wire::protocol::kTcp || (frame->flags & kLaterFragment) != 0) return false;
  return (read_tcp_header(frame).flags & (kTcpSyn | kTcpAck)) != kTcpSyn;
}

}  // namespace

/// Who has no address yet, or one of its link alone, speaks to its link as well: between joined ports that is nobody's.
bool FlowStage::admits_source(const Segment* frame) const {
  const wire::Address source = wire::source_of(frame);
  if (snapshot_->admits_source(frame->port, source)) return true;
  return is_on_link(frame) && (source.unspecified() || source.link_local());
}

/// Counted by port as well: there are the workloads that send what is not theirs.
void FlowStage::drop_spoofed(Segment* frame) {
  counters_.ports[frame->port].spoofed.add(wire_segments(frame));
  refuse(frame, {Reason::spoofed_source});
}

void FlowStage::refuse(Segment* frame, Judgement judgement, const PolicyDuties& duties) {
  FlowRecord flow;
  flow.original = tuple_of(frame);
  flow.ingress = frame->port;
  flow.policy = judgement.policy;
  flow.generation = static_cast<uint32_t>(snapshot_->generation);
  flow.reason = judgement.reason;
  flow.packets[kOriginal] = wire_segments(frame);
  flow.bytes[kOriginal] = frame->l4_offset - frame->l3_offset + frame->l4_length;
  if (wire::is_to_roce_port(frame)) name_queue_pair(frame, flow);
  const bool is_new = denied_.add(flow, now_);
  if (is_new && !duties.empty()) meet(duties, flow);
  note_policy(frame, judgement.policy);
  gateway_.reject(frame, judgement.reason);
}

void FlowStage::refuse_relayed(FlowRecord connection, const PolicyKey& key) {
  const PolicyTable& policies = *snapshot_->policies;
  const Judgement judgement = policies.judge(key);
  connection.policy = judgement.policy;
  connection.reason = judgement.reason;
  connection.generation = static_cast<uint32_t>(snapshot_->generation);
  connection.packets[kOriginal] = 1;
  const bool is_new = denied_.add(connection, now_);
  if (is_new && policies.has_duties()) meet(policies.duties(key), connection);
}

/// A flow that is about to open. One that is met in mid-stream may as well run the other way: both ways must be
/// allowed, or an answer from whom nobody may talk to would open what was cut.
FlowStage::Judged FlowStage::judge_opening(const Opening& opening, const wire::Address& endpoint, uint16_t port,
                                           const Segment* frame) const {
  const PolicyTable& policies = *snapshot_->policies;
  if (policies.empty()) return {};
  const PolicyKey key = policy_key(opening.original, endpoint, port, client_port(*snapshot_, opening, frame->port));
  Judged judged{policies.judge(key), policies.duties(key)};
  if (judged.judgement.passes() && opening.service == nullptr && opens_in_mid_stream(frame)) {
    const Tuple back = opening.original.reversed();
    const uint16_t arrival = port_towards(*snapshot_, back.source, frame->port);
    judged.judgement = policies.judge(policy_key(back, back.destination, back.destination_port, arrival));
  }
  return judged;
}

/// A packet that makes no flow.
FlowStage::Judged FlowStage::judge_packet(const Segment* frame) const {
  const PolicyTable& policies = *snapshot_->policies;
  if (policies.empty()) return {};
  const PolicyKey key{.source = wire::source_of(frame),
                      .destination = wire::destination_of(frame),
                      .protocol = frame->protocol,
                      .arrival = frame->port,
                      .vlan = frame->vlan};
  return {policies.judge(key), policies.duties(key)};
}

/// Takes up a flow that was opened under another snapshot, or before neighbours changed. False: it is cut, and the
/// packet, which is as it came, is gone.
bool FlowStage::judge_again(FlowMatch match, Segment* frame) {
  // Its sender may have moved: from where it is now, the flow's packets are taken without another look.
  conntrack_.table().hot(match.id).ingress = client_port_of(match.id);
  const Judgement judgement = judge_flow(match.id);
  const PolicyTable& policies = *snapshot_->policies;
  const PolicyDuties duties = policies.has_duties() ? policies.duties(key_of_flow(match.id)) : PolicyDuties{};
  if (!judgement.passes()) {
    conntrack_.close(match.id);
    refuse(frame, judgement, duties);
    return false;
  }
  FlowHot& flow = conntrack_.table().hot(match.id);
  flow.exit_epoch = gateway_.epoch();
  flow.exit[kOriginal] = flow.exit[kReply] = Gateway::kNoExit;
  assign(match.id, duties);
  meet_again(match.id, duties);
  return true;
}

/// A flow that may be silent, under policies that are new. True: it has ended, and nobody is told.
bool FlowStage::look_again(FlowId id) {
  if (!conntrack_.table().in_use(id)) return false;
  if (!judge_flow(id).passes()) {
    conntrack_.close(id);
    return true;
  }
  if (snapshot_->policies->has_duties()) meet_again(id, snapshot_->policies->duties(key_of_flow(id)));
  return false;
}

/// A flow that runs, by the snapshot in force.
Judgement FlowStage::judge_flow(FlowId id) const {
  if (!snapshot_->policies->cuts()) return {};
  return snapshot_->policies->judge(key_of_flow(id));
}

uint16_t FlowStage::client_port_of(FlowId id) const {
  const FlowTable& table = conntrack_.table();
  return client_port_now(*snapshot_, table.original(id).source, table.hot(id).ingress);
}

/// What is judged of a flow that runs.
PolicyKey FlowStage::key_of_flow(FlowId id) const {
  const FlowTable& table = conntrack_.table();
  const FlowHot& flow = table.hot(id);
  const Tuple original = table.original(id);
  const uint16_t arrival = snapshot_->policies->speaks_of_arrival() ? client_port_of(id) : kNoPort;
  if ((flow.flags & kFlowTranslated) != 0) return policy_key(original, table.nat_address(id), flow.nat_port, arrival);
  return policy_key(original, original.destination, original.destination_port, arrival);
}

/// Which policy allows a flow at present, by its place; FlowRecord::kNone: none does, or it is denied.
uint32_t FlowStage::allowed_by(FlowId id) const {
  if (snapshot_->policies->empty()) return FlowRecord::kNone;
  const Judgement judgement = snapshot_->policies->judge(key_of_flow(id));
  return judgement.passes() ? judgement.policy : FlowRecord::kNone;
}

}  // namespace flatproxy
