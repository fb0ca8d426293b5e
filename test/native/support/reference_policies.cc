#include "support/reference_policies.h"

#include <algorithm>

namespace flatproxy::test {
namespace {

bool holds(const std::vector<wire::Prefix>& prefixes, const wire::Address& address) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const wire::Prefix& p) { return p.contains(address); });
}

bool selected(const PolicySet& set, const std::vector<uint32_t>& selectors, const wire::Address& address) {
  return std::any_of(selectors.begin(), selectors.end(), [&](uint32_t i) {
    return holds(set.selectors[i].within, address) && !holds(set.selectors[i].except, address);
  });
}

bool has_port(const Policy& policy, const PolicyKey& key) {
  if (policy.ports.empty() && policy.roce.empty()) return true;
  for (const PolicyRoce& roce : policy.roce) {
    if (!key.roce || key.roce->qp < roce.first || key.roce->qp > roce.last) continue;
    if ((roce.classes >> static_cast<unsigned>(key.roce->kind) & 1) != 0) return true;
  }
  return std::any_of(policy.ports.begin(), policy.ports.end(), [&](const PolicyPorts& p) {
    return p.protocol == key.protocol && p.first <= key.port && key.port <= p.last;
  });
}

/// Nobody knows: what denies matches.
bool comes_by(const Policy& policy, uint16_t arrival) {
  if (policy.on.empty()) return true;
  if (arrival == kNoPort) return denies(policy.action);
  const uint16_t id = is_host_side(arrival) ? Policy::kNodesStack : arrival;
  return std::count(policy.on.begin(), policy.on.end(), id) != 0;
}

bool is_in_vlan(const Policy& policy, uint16_t vlan) {
  return policy.vlans.empty() || std::any_of(policy.vlans.begin(), policy.vlans.end(), [&](const PolicyVlans& range) {
           return range.first <= vlan && vlan <= range.last;
         });
}

bool matches_subject(const PolicySet& set, const Policy& policy, const PolicyKey& key) {
  return selected(set, policy.subject, policy.direction == PolicyDirection::ingress ? key.destination : key.source);
}

bool matches_the_rest(const PolicySet& set, const Policy& policy, const PolicyKey& key) {
  const wire::Address& peer = policy.direction == PolicyDirection::ingress ? key.source : key.destination;
  return (!policy.peer || selected(set, *policy.peer, peer)) && has_port(policy, key) &&
         comes_by(policy, key.arrival) && is_in_vlan(policy, key.vlan);
}

/// One direction: what stands against the flow, or who allows it.
struct Side {
  Judgement judgement;
  bool allowed = false;
};

Side judge_side(const PolicySet& set, PolicyDirection direction, const PolicyKey& key) {
  const auto fits = [&](const Policy& policy) { return matches_the_rest(set, policy, key); };
  const auto concerns = [&](const Policy& policy) {
    return policy.direction == direction && matches_subject(set, policy, key);
  };
  for (uint32_t i = 0; i < set.policies.size(); ++i) {
    const Policy& policy = set.policies[i];
    const bool denies = policy.action == PolicyAction::deny || policy.action == PolicyAction::reject;
    if (!denies || !concerns(policy) || !fits(policy)) continue;
    const bool rejects = policy.action == PolicyAction::reject;
    return {{rejects ? Reason::policy_rejected : Reason::policy_denied, i}};
  }
  uint32_t isolates = Judgement::kNoPolicy;
  for (uint32_t i = 0; i < set.policies.size(); ++i) {
    const Policy& policy = set.policies[i];
    if (policy.action != PolicyAction::allow || !concerns(policy)) continue;
    if (fits(policy)) return {{Reason::forwarded, i}, true};
    if (isolates == Judgement::kNoPolicy) isolates = i;
  }
  if (isolates != Judgement::kNoPolicy) return {{Reason::policy_default_deny, isolates}};
  return {};
}

}  // namespace

Judgement judge_plainly(const PolicySet& set, const PolicyKey& key) {
  const Side egress = judge_side(set, PolicyDirection::egress, key);
  if (!egress.judgement.passes()) return egress.judgement;
  const Side ingress = judge_side(set, PolicyDirection::ingress, key);
  if (!ingress.judgement.passes() || ingress.allowed) return ingress.judgement;
  if (egress.allowed) return egress.judgement;
  return {set.deny_by_default ? Reason::policy_default_deny : Reason::forwarded, Judgement::kNoPolicy};
}

PolicyDuties duties_plainly(const PolicySet& set, const PolicyKey& key) {
  PolicyDuties duties;
  for (uint32_t i = 0; i < set.policies.size(); ++i) {
    const Policy& policy = set.policies[i];
    if (!matches_subject(set, policy, key) || !matches_the_rest(set, policy, key)) continue;
    if (policy.action == PolicyAction::log) duties.logs.push(i);
    if (policy.action == PolicyAction::limit) duties.limits.push(i);
    if (policy.action == PolicyAction::mirror) duties.mirrors.push(i);
  }
  return duties;
}

}  // namespace flatproxy::test
