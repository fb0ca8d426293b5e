#include "lane/shadow.h"

#include <utility>

namespace flatproxy {
namespace {

bool is_refused(const FlowRecord& flow) {
  const Verdict verdict = info(flow.reason).verdict;
  return verdict == Verdict::drop || verdict == Verdict::reject;
}

/// A packet of the flow, as its client sends it. Of RoCEv2, of a class that the flow has had.
FirstPacket packet_of(const FlowRecord& flow, wire::RoceClass kind) {
  FirstPacket packet{.port = flow.ingress, .tuple = flow.original, .vlan = flow.original.vlan()};
  if (flow.roce) packet.roce = RoceTarget{flow.qp, kind};
  return packet;
}

/// What the policies of both sides would let through may have been refused as a connection that is met in mid-stream.
Explanation explain_refused(const Snapshot& snapshot, FirstPacket& packet, const FlowRecord& flow,
                            const LaneView& lane) {
  Explanation said = explain(snapshot, packet, lane);
  if (said.reason == flow.reason || info(said.reason).verdict != Verdict::forward) return said;
  packet.traits.opens = packet.traits.claimed = false;
  Explanation other = explain(snapshot, packet, lane);
  if (other.reason == flow.reason) return other;
  packet.traits = {};
  return said;
}

bool differs(const Explanation& now, const Explanation& then) {
  return now.reason != then.reason || now.service != then.service || now.endpoint != then.endpoint ||
         now.exit != then.exit;
}

std::vector<wire::RoceClass> classes_of(const FlowRecord& flow) {
  std::vector<wire::RoceClass> classes;
  for (size_t i = 0; flow.roce && i < wire::kRoceClasses; ++i) {
    if (flow.roce_counts.classes[i].packets > 0) classes.push_back(static_cast<wire::RoceClass>(i));
  }
  if (classes.empty()) classes.push_back(wire::RoceClass::send);
  return classes;
}

}  // namespace

std::vector<Shadow::Difference> Shadow::judge_listed(const Snapshot& now, const std::vector<FlowRecord>& flows) {
  std::vector<Difference> differences;
  for (uint32_t i = 0; i < flows.size(); ++i) {
    if (is_later(flows[i])) continue;
    if (flows[i].terminated && flows[i].state == FlowState::tcp_syn_sent) {
      connecting_.insert(flows[i].original);
      continue;
    }
    judge(now, flows[i], Age::running, i, differences);
  }
  return differences;
}

std::vector<Shadow::Difference> Shadow::judge_told(const Snapshot& now, const std::vector<FlowEvent>& events) {
  std::vector<Difference> differences;
  for (uint32_t i = 0; i < events.size(); ++i) {
    if (is_told_anew(events[i])) judge(now, events[i].flow, Age::opened, i, differences);
  }
  return differences;
}

/// Whether an event tells of a flow that is not known out of the tables.
bool Shadow::is_told_anew(const FlowEvent& event) {
  if (event.kind != FlowEventKind::opened && event.kind != FlowEventKind::denied) return false;
  return is_later(event.flow) || (event.flow.terminated && connecting_.erase(event.flow.original) > 0);
}

void Shadow::judge(const Snapshot& now, const FlowRecord& flow, Age age, uint32_t place, std::vector<Difference>& to) {
  ++judged_;
  const LaneView lane = start_.view();
  for (const wire::RoceClass kind : classes_of(flow)) {
    FirstPacket packet = packet_of(flow, kind);
    Difference found{place, {}, {}};
    if (is_refused(flow)) {
      found.now = explain_refused(now, packet, flow, lane);
      found.then = explain(*snapshot_, packet, lane);
    } else {
      found.now = explain_running(now, packet, flow);
      found.then = age == Age::running ? explain_running(*snapshot_, packet, flow)
                                       : explain_opening(*snapshot_, packet, flow, lane);
    }
    if (!differs(found.now, found.then)) continue;
    to.push_back(std::move(found));
    return;
  }
}

}  // namespace flatproxy
