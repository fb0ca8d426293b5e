#include "lane/explain_live.h"

#include "wire/protocol.h"

namespace flatproxy {
namespace {

LaneView view_of(Lane& lane, const LaneShared& shared) {
  FlowStage& flows = lane.flows();
  const FlowTable& table = flows.conntrack().table();
  const auto taken = [&shared, &table](const Tuple& other) {
    const uint64_t hash = flow_hash(other, shared.key);
    if (table.find(other, hash).id != kNoFlow) return true;
    return shared.lanes() > 1 && shared.directory.find(hash) != OwnerDirectory::kNone;
  };
  const bool draining = shared.refuse_new.load(std::memory_order_relaxed);
  const TcpStage& tcp = lane.tcp();
  return {flows.balance(),       draining,           taken,
          tcp.connection_turn(), tcp.request_turn(), [&lane](const Tuple& sent) { return lane.has_probed(sent); }};
}

unsigned home_of(const Snapshot& snapshot, const LaneShared& shared, const Tuple& tuple, const LaneView& view) {
  if (tuple.zone != 0) return shared.home(routed_hash(tuple, shared.key));
  return shared.home(flow_hash(opening_for(snapshot, tuple, view.balance).original, shared.key));
}

}  // namespace

bool ExplainOnLane::step(Lane& lane, Nanoseconds) {
  const Tuple tuple = tuple_in_zone(snapshot_, packet_);
  // What ends here has no zone.
  if (tuple.protocol == wire::protocol::kTcp && lane.tcp().stack().knows(packet_.tuple.reversed())) {
    known = true;
    explanation = explain_connection(snapshot_, packet_);
    return true;
  }
  const bool tracked = snapshot_.peer(packet_.port) == kNoPort || snapshot_.judges_links();
  if (packet_.roce && tracked && explain_roce(lane.roce())) return true;
  FlowStage& flows = lane.flows();
  const FlowMatch match = flows.conntrack().table().find(tuple, flow_hash(tuple, shared_.key));
  const LaneView view = view_of(lane, shared_);
  if (match.id != kNoFlow && tracked && !ends_here(snapshot_, packet_, view.draining)) {
    known = true;
    explanation = explain(snapshot_, packet_, flows.record(match.id), match.direction);
    return true;
  }
  home = home_of(snapshot_, shared_, tuple, view);
  explanation = explain(snapshot_, packet_, view);
  known = explanation.reason == Reason::probe_answered;
  return true;
}

/// Along the flow that it belongs to, if that runs. False: whether it would open one is to be seen.
bool ExplainOnLane::explain_roce(const RoceStage& stage) {
  const RoceTable& table = stage.table();
  const Tuple tuple = tuple_in_zone(snapshot_, packet_);
  const RoceKey key{tuple.source, tuple.destination, packet_.roce->qp, tuple.family, tuple.zone};
  const FlowId id = table.find(key, roce_hash(key, shared_.key), kNoFlow);
  if (id == kNoFlow) return false;
  const bool passes = (table.at(id).allowed >> static_cast<unsigned>(packet_.roce->kind) & 1) != 0;
  known = true;
  explanation = explain(snapshot_, packet_, stage.record(id), kOriginal, !passes);
  return true;
}

bool ExplainFrameOnLane::step(Lane& lane, Nanoseconds) {
  const LaneView view = view_of(lane, shared_);
  explanation = explain_frame(snapshot_, port_, frame_, view, &lane);
  known = explanation.known || explanation.said.reason == Reason::probe_answered;
  if (explanation.of.kind == FrameSummary::Kind::ip)
    home = home_of(snapshot_, shared_, tuple_in_zone(snapshot_, explanation.of.packet), view);
  return true;
}

}  // namespace flatproxy
