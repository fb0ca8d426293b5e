// What policies want done with flows, beside letting them pass or not.
#include <algorithm>

#include "capture/captured_frame.h"
#include "lane/flow_stage.h"
#include "packet/frame.h"

namespace flatproxy {

void FlowStage::meet(const PolicyDuties& duties, const FlowRecord& flow) {
  const PolicySet& set = snapshot_->policies->set();
  for (const PolicyPlaces* places : {&duties.limits, &duties.mirrors}) {
    for (const uint32_t place : *places) counters_.policies.at(set.policies[place].counter).flows.add(1);
  }
  log_.tell(set, duties.logs, flow, time_);
}

/// A flow that runs, once under the same policies.
void FlowStage::meet_again(FlowId id, const PolicyDuties& duties) {
  FlowCold& cold = conntrack_.table().cold(id);
  if (cold.judged == policies_number_) return;
  cold.judged = policies_number_;
  if (!duties.empty()) meet(duties, record(id));
}

/// Policies that log may speak of its listener's address, or of its endpoint; those that limit, of the listener's.
void FlowStage::relayed(const FlowRecord& connection) {
  const PolicyTable& policies = *snapshot_->policies;
  if (!policies.has_duties()) return;
  const Tuple& original = connection.original;
  const uint16_t arrival = connection.ingress;
  PolicyDuties duties = policies.duties(policy_key(original, original.destination, original.destination_port, arrival));
  duties.mirrors = {};
  PolicyPlaces& logs = duties.logs;
  if (connection.translated) {
    const PolicyKey key = policy_key(original, connection.nat_address, connection.nat_port, arrival);
    logs.unite(policies.duties(key).logs);
  }
  if (!duties.empty()) meet(duties, connection);
}

bool FlowStage::admits(Judged& judged, const Segment* frame, Nanoseconds now) {
  if (!judged.judgement.passes()) return false;
  const std::vector<Policy>& policies = snapshot_->policies->set().policies;
  const PolicyPlaces& limits = judged.duties.limits;
  for (const uint32_t* place = limits.begin(); place != limits.end(); ++place) {
    const Policy& policy = policies[*place];
    if (policy.limit.of != LimitOf::flows || limits_.take(policy, 1, now)) continue;
    for (const uint32_t* taken = limits.begin(); taken != place; ++taken) {
      if (policies[*taken].limit.of == LimitOf::flows) limits_.give_back(policies[*taken], 1);
    }
    count_limited(policy, frame);
    judged.judgement = {Reason::rate_limited, *place};
    return false;
  }
  return true;
}

/// What is to be done with each packet.
void FlowStage::assign(FlowId id, const PolicyDuties& duties) {
  const std::vector<Policy>& policies = snapshot_->policies->set().policies;
  const auto counts_packets = [&](uint32_t place) { return policies[place].limit.of != LimitOf::flows; };
  FlowHot& flow = conntrack_.table().hot(id);
  if (!duties.mirrors.empty() || std::any_of(duties.limits.begin(), duties.limits.end(), counts_packets)) {
    duties_[id] = duties;
    flow.flags |= kFlowHasDuties;
  } else {
    flow.flags &= static_cast<uint16_t>(~kFlowHasDuties);
  }
}

/// With a packet as it came. False: it has ended.
bool FlowStage::do_duties(const PolicyDuties& duties, Segment* frame) {
  if (!is_within(duties.limits, frame)) return false;
  if (!duties.mirrors.empty()) mirror_.copy(*snapshot_, duties.mirrors, frame);
  return true;
}

/// Takes a packet's share of what policies limit. False: there is none, and it has ended.
bool FlowStage::is_within(const PolicyPlaces& limits, Segment* frame) {
  const std::vector<Policy>& policies = snapshot_->policies->set().policies;
  const uint64_t bytes = frame->l4_offset - frame->l3_offset + frame->l4_length;
  const auto tokens = [&](const Policy& policy) {
    if (policy.limit.of == LimitOf::flows) return uint64_t{0};
    return policy.limit.of == LimitOf::bytes ? bytes : wire_segments(frame);
  };
  for (const uint32_t* place = limits.begin(); place != limits.end(); ++place) {
    const Policy& policy = policies[*place];
    if (limits_.take(policy, tokens(policy), time_)) continue;
    for (const uint32_t* taken = limits.begin(); taken != place; ++taken)
      limits_.give_back(policies[*taken], tokens(policies[*taken]));
    count_limited(policy, frame);
    note_policy(frame, *place);
    egress_.drop(frame, Reason::rate_limited);
    return false;
  }
  return true;
}

void FlowStage::count_limited(const Policy& policy, const Segment* frame) {
  PolicyCounters& counters = counters_.policies.at(policy.counter);
  counters.limited_packets.add(wire_segments(frame));
  counters.limited_bytes.add(frame->frame_length);
}

}  // namespace flatproxy
