// How a packet without a flow gets one.
#include "lane/flow_stage.h"

namespace flatproxy {

Opening FlowStage::opening_of(const Tuple& tuple, uint64_t hash) const {
  Opening opening = opening_for(*snapshot_, tuple, balance_);
  opening.hash = opening.direction == kReply ? flow_hash(opening.original, shared_.key) : hash;
  return opening;
}

FlowId FlowStage::open(const Opening& opening, Segment* frame) {
  Judged why{{Reason::draining}, {}};
  FlowId id = kNoFlow;
  // A link goes on while we drain.
  if (is_on_link(frame) || !shared_.refuse_new.load(std::memory_order_relaxed)) {
    id = opening.service != nullptr ? open_translated(opening, frame, why) : open_plain(opening, frame, why);
  }
  if (id == kNoFlow) {
    refuse(frame, why.judgement, why.duties);
    return kNoFlow;
  }
  // Judged under this snapshot: see judge_again().
  FlowHot& flow = conntrack_.table().hot(id);
  flow.ingress = client_port(*snapshot_, opening, frame->port);
  flow.exit_epoch = gateway_.epoch();
  flow.exit[kOriginal] = flow.exit[kReply] = Gateway::kNoExit;
  report(FlowEventKind::opened, id);
  conntrack_.table().cold(id).judged = policies_number_;
  if (!why.duties.empty()) {
    assign(id, why.duties);
    meet(why.duties, record(id));
  }
  return id;
}

FlowId FlowStage::open_plain(const Opening& opening, Segment* frame, Judged& why) {
  const Tuple& original = opening.original;
  why = judge_opening(opening, original.destination, original.destination_port, frame);
  if (!admits(why, frame, time_)) return kNoFlow;
  const bool listed = shared_.lanes() > 1 && original.zone == 0 && looks_like_service_behind(original);
  // Both directions have one hash.
  if (listed && !shared_.directory.insert(opening.hash, lane_)) {
    why.judgement = {Reason::owner_directory_full};
    return kNoFlow;
  }
  Reason full;
  const FlowId id = conntrack_.open(original, opening.hash, frame, kOriginal, nullptr, now_, full);
  if (id == kNoFlow) {
    why.judgement = {full};
    if (listed) shared_.directory.remove(opening.hash, lane_);
    return kNoFlow;
  }
  if (listed) conntrack_.table().hot(id).flags |= kFlowInDirectory;
  return id;
}

/// Whether a lane that does not know the flow would take its answers for those of a service, see opening_for().
bool FlowStage::looks_like_service_behind(const Tuple& original) const {
  if (!snapshot_->flows.adopt_midstream) return false;
  const auto count_one = [](const EndpointTable::Ref&) {};
  const EndpointTable& endpoints = *snapshot_->endpoint_table;
  return endpoints.for_each(original.destination, original.destination_port, original.protocol, count_one) > 0;
}

FlowId FlowStage::open_translated(const Opening& opening, Segment* frame, Judged& why) {
  const Service& service = *opening.service;
  uint32_t chosen = opening.endpoint;
  if (chosen == Picker::kNone)
    chosen = service.picker(frame->family).pick(balance_hash(service, opening.original), balance_);
  if (chosen == Picker::kNone) {
    why.judgement = {Reason::no_endpoint};
    return kNoFlow;
  }
  const Endpoint& endpoint = service.endpoints[chosen];
  why = judge_opening(opening, endpoint.address, endpoint.port, frame);
  if (!admits(why, frame, time_)) return kNoFlow;
  Translation translation{endpoint.address, endpoint.port, opening.original.source_port};
  if (!find_source_port(opening, translation, [this](const Tuple& reply) { return reply_taken(reply); })) {
    why.judgement = {Reason::source_ports_taken};
    return kNoFlow;
  }
  const uint64_t reply_hash = flow_hash(FlowTable::reply_to(opening.original, translation), shared_.key);
  // Before the first packet leaves: its answer may come to any lane.
  const bool several_lanes = shared_.lanes() > 1;
  if (several_lanes && !shared_.directory.insert(reply_hash, lane_)) {
    why.judgement = {Reason::owner_directory_full};
    return kNoFlow;
  }
  Reason full;
  const FlowId id = conntrack_.open(opening.original, opening.hash, frame, opening.direction, &translation, now_, full);
  if (id == kNoFlow) {
    why.judgement = {full};
    if (several_lanes) shared_.directory.remove(reply_hash, lane_);
    return kNoFlow;
  }
  if (several_lanes) conntrack_.table().hot(id).flags |= kFlowInDirectory;
  FlowCold& cold = conntrack_.table().cold(id);
  cold.service_or_zone = static_cast<uint16_t>(service.id);
  cold.endpoint = (endpoint.id + 1) & 0xffffff;
  ++open_flows_[endpoint.id];
  ++translated_;
  counters_.services[service.id].new_flows.add(1);
  counters_.services[service.id].active_flows.add(1);
  return id;
}

bool FlowStage::reply_taken(const Tuple& reply) const {
  const uint64_t hash = flow_hash(reply, shared_.key);
  if (conntrack_.table().find(reply, hash).id != kNoFlow) return true;
  return shared_.lanes() > 1 && shared_.directory.find(hash) != OwnerDirectory::kNone;
}

}  // namespace flatproxy
