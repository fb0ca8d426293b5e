// ICMP errors follow the flow whose packet they quote.
#include "conntrack/translate.h"
#include "lane/flow_stage.h"
#include "wire/embedded.h"
#include "wire/tuple_of.h"

namespace flatproxy {

void FlowStage::carry_icmp_error(Segment* frame) {
  Tuple quoted_tuple;
  wire::EmbeddedView view;
  Reason why;
  if (!wire::embedded_tuple(frame, quoted_tuple, view, why)) {
    egress_.drop(frame, why);
    return;
  }
  // The quoted packet went the other way than the error goes.
  Tuple tuple = quoted_tuple.reversed();
  tuple.zone = zone_of(frame);
  const uint64_t hash = flow_hash(tuple, shared_.key);
  const FlowMatch match = conntrack_.table().find(tuple, hash);
  if (match.id == kNoFlow) {
    const bool ours = !is_on_link(frame) && gateway_.is_ours(wire::destination_of(frame));
    if (ours && gateway_.take_probe_error(frame, quoted_tuple, view.l4_offset)) return;
    const bool known_elsewhere = shared_.lanes() > 1 && (frame->flags & kHandedOver) == 0;
    if (known_elsewhere && hand_over(frame, owner_of(hash, routed_hash(tuple, shared_.key)))) return;
    if (ours) {
      egress_.drop(frame, Reason::icmp_unrelated);
      return;
    }
    carry_untracked(frame);
    return;
  }
  // The flow may be one that a new snapshot denies, and no packet of it has come since.
  if (const Judgement judgement = judge_flow(match.id); !judgement.passes()) {
    note_policy(frame, judgement.policy);
    egress_.drop(frame, judgement.reason);
    return;
  }
  if (is_on_link(frame)) return pass_on(frame);
  if (!gateway_.lives_on(frame)) return;
  const FlowTable& table = conntrack_.table();
  const FlowHot& flow = table.hot(match.id);
  if ((flow.flags & kFlowTranslated) != 0) {
    const Quoted quoted{view.l3_offset, view.l4_offset, view.protocol, view.has_l4_checksum};
    const Tuple original = table.original(match.id);
    const wire::Address endpoint = table.nat_address(match.id);
    const bool source_port_moved = flow.nat_source_port != flow.source_port;
    if (match.direction == kReply) {
      // Towards the client: it knows the virtual address, not the endpoint.
      if (wire::source_of(frame) == endpoint) translate_icmp_address(frame, End::source, original.destination);
      translate_quoted(frame, quoted, End::destination, original.destination, flow.destination_port);
      if (source_port_moved) translate_quoted(frame, quoted, End::source, original.source, flow.source_port);
    } else {
      translate_icmp_address(frame, End::destination, endpoint);
      translate_quoted(frame, quoted, End::source, endpoint, flow.nat_port);
      if (source_port_moved) translate_quoted(frame, quoted, End::destination, original.source, flow.nat_source_port);
    }
  }
  gateway_.carry(frame, Reason::icmp_related);
}

}  // namespace flatproxy
