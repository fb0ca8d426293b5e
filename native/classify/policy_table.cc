#include "classify/policy_table.h"

#include <algorithm>
#include <utility>

namespace flatproxy {
namespace {

/// What an opinion means for the flow; `forwarded`: nothing against it.
Reason reason_of(PolicyOpinion::Kind kind) {
  switch (kind) {
    case PolicyOpinion::denied:
      return Reason::policy_denied;
    case PolicyOpinion::rejected:
      return Reason::policy_rejected;
    case PolicyOpinion::isolated:
      return Reason::policy_default_deny;
    default:
      return Reason::forwarded;
  }
}

}  // namespace

PolicyTable::PolicyTable(PolicySet set)
    : set_(std::move(set)),
      classes_(set_.selectors),
      egress_(set_, PolicyDirection::egress, classes_),
      ingress_(set_, PolicyDirection::ingress, classes_),
      logs_(set_, PolicyAction::log, classes_),
      limits_(set_, PolicyAction::limit, classes_),
      mirrors_(set_, PolicyAction::mirror, classes_) {
  for (const Policy& policy : set_.policies) {
    speaks_of_roce_ |= !policy.roce.empty();
    speaks_of_arrival_ |= !policy.on.empty();
    if (policy.action != PolicyAction::mirror) continue;
    mirror_ports_.resize(std::max<size_t>(mirror_ports_.size(), policy.mirror.port + size_t{1}));
    mirror_ports_[policy.mirror.port] = true;
  }
}

Judgement PolicyTable::judge(const PolicyKey& key) const {
  const uint32_t source = classes_.class_of(key.source);
  const uint32_t destination = classes_.class_of(key.destination);
  const PolicyOpinion out = egress_.judge(source, destination, key);
  if (reason_of(out.kind) != Reason::forwarded) return {reason_of(out.kind), out.policy};
  const PolicyOpinion in = ingress_.judge(destination, source, key);
  if (in.kind != PolicyOpinion::none) return {reason_of(in.kind), in.policy};
  if (out.kind != PolicyOpinion::none) return {Reason::forwarded, out.policy};
  return {set_.deny_by_default ? Reason::policy_default_deny : Reason::forwarded, Judgement::kNoPolicy};
}

PolicyDuties PolicyTable::duties(const PolicyKey& key) const {
  if (!has_duties()) return {};
  const uint32_t source = classes_.class_of(key.source);
  const uint32_t destination = classes_.class_of(key.destination);
  return {logs_.find(source, destination, key), limits_.find(source, destination, key),
          mirrors_.find(source, destination, key)};
}

PolicyOpinion PolicyTable::opinion(const PolicyKey& key, PolicyDirection direction) const {
  const uint32_t source = classes_.class_of(key.source);
  const uint32_t destination = classes_.class_of(key.destination);
  return direction == PolicyDirection::egress ? egress_.judge(source, destination, key)
                                              : ingress_.judge(destination, source, key);
}

}  // namespace flatproxy
