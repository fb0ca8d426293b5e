// How a packet without a flow gets one.
#include "lane/flow_stage.h"
#include "wire/protocol.h"

namespace flatproxy {
namespace {

/// Source ports that are tried when the endpoint knows the client's own from another flow.
constexpr unsigned kSourcePortTries = 64;
constexpr uint16_t kLowestMovedPort = 1024;

uint64_t balance_hash(const Service& service, const Tuple& original) {
  return service.source_affinity ? address_hash(original.source, kBalanceKey) : flow_hash(original, kBalanceKey);
}

}  // namespace

FlowStage::Opening FlowStage::opening_for(const Tuple& t, uint64_t hash) const {
  Opening opening{t, hash};
  opening.service = snapshot_->service_table->find(t.destination, t.destination_port, t.protocol);
  const bool ours = gateway_.is_ours(t.destination);  // then it answers us, not one of our clients
  if (opening.service == nullptr && !ours && snapshot_->flows.adopt_midstream) restore(t, opening);
  return opening;
}

/// A reply in mid-stream comes from an endpoint whose flow we have never seen (we were started under it): whose virtual
/// address did its client use? With Maglev the one that chooses this endpoint; else the only one that has it.
bool FlowStage::restore(const Tuple& reply, Opening& opening) const {
  const EndpointTable& endpoints = *snapshot_->endpoint_table;
  const auto count_one = [](const EndpointTable::Ref&) {};
  const bool single = endpoints.for_each(reply.source, reply.source_port, reply.protocol, count_one) == 1;
  bool found = false;
  endpoints.for_each(reply.source, reply.source_port, reply.protocol, [&](const EndpointTable::Ref& ref) {
    const Service& service = *ref.service;
    for (const wire::Address& address : service.addresses) {
      if (found || address.is_v4() != reply.source.is_v4()) continue;
      const Tuple original{reply.destination, address,        reply.destination_port,
                           service.port,      reply.protocol, reply.family};
      const bool by_hash = service.balance == Balance::maglev || service.source_affinity;
      found = by_hash ? service.picker(reply.family).pick(balance_hash(service, original), balance_) == ref.endpoint
                      : single && service.addresses.size() == 1;
      if (found) opening = {original, flow_hash(original, shared_.key), kReply, &service, ref.endpoint};
    }
  });
  return found;
}

FlowId FlowStage::open(const Opening& opening, Segment* frame) {
  Reason why = Reason::draining;
  FlowId id = kNoFlow;
  if (!shared_.refuse_new.load(std::memory_order_relaxed)) {
    id = opening.service != nullptr ? open_translated(opening, frame, why) : open_plain(opening, frame, why);
  }
  if (id == kNoFlow) {
    gateway_.reject(frame, why);
    return kNoFlow;
  }
  // Judged under this snapshot: see forward_anew().
  FlowHot& flow = conntrack_.table().hot(id);
  flow.exit_epoch = gateway_.epoch();
  flow.exit[kOriginal] = flow.exit[kReply] = Gateway::kNoExit;
  report(FlowEventKind::opened, id);
  return id;
}

FlowId FlowStage::open_plain(const Opening& opening, Segment* frame, Reason& why) {
  const Tuple& original = opening.original;
  why = judge_opening(opening, original.destination, original.destination_port, frame);
  if (why != Reason::forwarded) return kNoFlow;
  return conntrack_.open(original, opening.hash, frame, kOriginal, nullptr, now_, why);
}

FlowId FlowStage::open_translated(const Opening& opening, Segment* frame, Reason& why) {
  const Service& service = *opening.service;
  uint32_t chosen = opening.endpoint;
  if (chosen == Picker::kNone)
    chosen = service.picker(frame->family).pick(balance_hash(service, opening.original), balance_);
  if (chosen == Picker::kNone) {
    why = Reason::no_endpoint;
    return kNoFlow;
  }
  const Endpoint& endpoint = service.endpoints[chosen];
  why = judge_opening(opening, endpoint.address, endpoint.port, frame);
  if (why != Reason::forwarded) return kNoFlow;
  Translation translation{endpoint.address, endpoint.port, opening.original.source_port};
  if (!find_source_port(opening, translation)) {
    why = Reason::source_ports_taken;
    return kNoFlow;
  }
  const uint64_t reply_hash = flow_hash(FlowTable::reply_to(opening.original, translation), shared_.key);
  // Before the first packet leaves: its answer may come to any lane.
  const bool several_lanes = shared_.lanes() > 1;
  if (several_lanes && !shared_.directory.insert(reply_hash, lane_)) {
    why = Reason::owner_directory_full;
    return kNoFlow;
  }
  const FlowId id = conntrack_.open(opening.original, opening.hash, frame, opening.direction, &translation, now_, why);
  if (id == kNoFlow) {
    if (several_lanes) shared_.directory.remove(reply_hash, lane_);
    return kNoFlow;
  }
  if (several_lanes) conntrack_.table().hot(id).flags |= kFlowInDirectory;
  FlowCold& cold = conntrack_.table().cold(id);
  cold.service_low = static_cast<uint16_t>(service.id);
  cold.endpoint = (endpoint.id + 1) & 0xffffff;
  ++open_flows_[endpoint.id];
  ++translated_;
  counters_.services[service.id].new_flows.add(1);
  counters_.services[service.id].active_flows.add(1);
  return id;
}

/// Two flows of one client from one source port, to two virtual addresses with the same endpoint behind: the endpoint
/// would take them for one. The second one gets another source port there (RFC 7857 section 3.3 asks for no collision).
bool FlowStage::find_source_port(const Opening& opening, Translation& translation) {
  for (unsigned i = 0; i < kSourcePortTries; ++i) {
    const Tuple reply = FlowTable::reply_to(opening.original, translation);
    if (!reply_taken(reply, flow_hash(reply, shared_.key))) return true;
    if (opening.direction == kReply) return false;  // what runs already cannot be moved
    const uint64_t drawn = fold_multiply(flow_hash(opening.original, kBalanceKey), 2 * i + 1);
    translation.source_port = static_cast<uint16_t>(kLowestMovedPort + drawn % (65536 - kLowestMovedPort));
  }
  return false;
}

bool FlowStage::reply_taken(const Tuple& reply, uint64_t hash) {
  if (conntrack_.table().find(reply, hash).id != kNoFlow) return true;
  return shared_.lanes() > 1 && shared_.directory.find(hash) != OwnerDirectory::kNone;
}

}  // namespace flatproxy
