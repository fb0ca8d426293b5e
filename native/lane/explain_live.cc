#include "lane/explain_live.h"

#include "wire/protocol.h"

namespace flatproxy {

bool ExplainOnLane::step(Lane& lane, Nanoseconds) {
  const Tuple& tuple = packet_.tuple;
  if (tuple.protocol == wire::protocol::kTcp && lane.tcp().stack().knows(tuple.reversed())) {
    known = true;
    explanation = explain_connection(snapshot_, packet_);
    return true;
  }
  const bool tracked = snapshot_.peer(packet_.port) == kNoPort || snapshot_.judges_links();
  if (packet_.roce && tracked && explain_roce(lane.roce())) return true;
  FlowStage& flows = lane.flows();
  const FlowTable& table = flows.conntrack().table();
  const FlowMatch match = table.find(tuple, flow_hash(tuple, shared_.key));
  if (match.id != kNoFlow && tracked) {
    const FlowRecord flow = flows.record(match.id);
    if ((flow.reason == Reason::passed_on) == (snapshot_.peer(packet_.port) != kNoPort)) {
      known = true;
      explanation = explain(snapshot_, packet_, flow, match.direction);
      return true;
    }
  }
  home = shared_.home(flow_hash(opening_for(snapshot_, tuple, flows.balance()).original, shared_.key));
  const auto taken = [this, &table](const Tuple& other) {
    const uint64_t hash = flow_hash(other, shared_.key);
    if (table.find(other, hash).id != kNoFlow) return true;
    return shared_.lanes() > 1 && shared_.directory.find(hash) != OwnerDirectory::kNone;
  };
  const bool draining = shared_.refuse_new.load(std::memory_order_relaxed);
  explanation = explain(snapshot_, packet_, LaneView{flows.balance(), draining, taken});
  return true;
}

/// Along the flow that it belongs to, if that runs. False: whether it would open one is to be seen.
bool ExplainOnLane::explain_roce(const RoceStage& stage) {
  const RoceTable& table = stage.table();
  const Tuple& tuple = packet_.tuple;
  const RoceKey key{tuple.source, tuple.destination, packet_.roce->qp, tuple.family};
  const FlowId id = table.find(key, roce_hash(key, shared_.key), kNoFlow);
  if (id == kNoFlow || stage.came_otherwise(table.at(id), packet_.port)) return false;
  const bool passes = (table.at(id).allowed >> static_cast<unsigned>(packet_.roce->kind) & 1) != 0;
  known = true;
  explanation = explain(snapshot_, packet_, stage.record(id), kOriginal, !passes);
  return true;
}

}  // namespace flatproxy
