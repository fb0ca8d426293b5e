#include "classify/policy_index.h"

#include <algorithm>
#include <string>

#include "classify/selector_rows.h"
#include "packet/error.h"

namespace flatproxy {
namespace {

constexpr size_t kMostBytes = size_t{128} << 20;

PolicyOpinion::Kind kind_of(PolicyAction action) {
  switch (action) {
    case PolicyAction::deny:
      return PolicyOpinion::denied;
    case PolicyAction::reject:
      return PolicyOpinion::rejected;
    default:
      return PolicyOpinion::allowed;
  }
}

std::vector<uint32_t> places_of(const std::vector<PolicyOpinion>& order) {
  std::vector<uint32_t> places;
  for (const PolicyOpinion& opinion : order) places.push_back(opinion.policy);
  return places;
}

}  // namespace

void check_policy_bytes(size_t bytes) {
  if (bytes <= kMostBytes) return;
  throw Error("ERR_FLATPROXY_RESOURCE",
              "the policies do not fit into the " + std::to_string(kMostBytes >> 20) + " MB that they may take",
              "use fewer policies, or fewer different ports and groups in them");
}

PolicyIndex::PolicyIndex(const PolicySet& set, PolicyDirection direction, const AddressClasses& classes)
    : order_(arranged(set, direction)),
      subjects_(static_cast<uint32_t>(order_.size())),
      peers_(static_cast<uint32_t>(order_.size())),
      ports_(set, places_of(order_), check_policy_bytes),
      ways_(set, places_of(order_)) {
  by_way_ = !ways_.empty();
  index_classes(set, classes);
  subjects_.seal();
  peers_.seal();
}

std::vector<PolicyOpinion> PolicyIndex::arranged(const PolicySet& set, PolicyDirection direction) {
  std::vector<PolicyOpinion> order;
  for (const bool denials : {true, false}) {
    for (uint32_t i = 0; i < set.policies.size(); ++i) {
      const Policy& policy = set.policies[i];
      if (policy.direction != direction || goes_on(policy.action) || denies(policy.action) != denials) continue;
      order.push_back({kind_of(policy.action), i});
    }
  }
  return order;
}

/// Apart, lest those who do not look at how flows come pay for it.
uint32_t PolicyIndex::first_by_way(BitRows::View about, BitRows::View others, const PolicyKey& key) const {
  return ways_.first(key, about, others, ports_.of(key));
}

void PolicyIndex::index_classes(const PolicySet& set, const AddressClasses& classes) {
  SelectorRows subjects(set.selectors.size());
  SelectorRows peers(set.selectors.size());
  BitRows::Row any_peer = peers_.blank();
  std::vector<uint32_t> isolates(set.selectors.size(), PolicyOpinion::kNoPolicy);  // the first allow that names it
  for (uint32_t bit = 0; bit < order_.size(); ++bit) {
    const auto [kind, at] = order_[bit];
    const Policy& policy = set.policies[at];
    subjects.name(policy.subject, bit);
    if (kind == PolicyOpinion::allowed) {
      for (const uint32_t selector : policy.subject) isolates[selector] = std::min(isolates[selector], at);
    }
    if (policy.peer) {
      peers.name(*policy.peer, bit);
    } else {
      BitRows::set(any_peer, bit);
    }
  }
  for (uint32_t c = 0; c < classes.size(); ++c) {
    const std::vector<uint32_t>& selectors = classes.selectors_of(c);
    subject_rows_.push_back(subjects_.add(subjects.unite(selectors, subjects_.blank())));
    peer_rows_.push_back(peers_.add(peers.unite(selectors, any_peer)));
    uint32_t first = PolicyOpinion::kNoPolicy;
    for (const uint32_t selector : selectors) first = std::min(first, isolates[selector]);
    isolated_.push_back({first == PolicyOpinion::kNoPolicy ? PolicyOpinion::none : PolicyOpinion::isolated, first});
    check_policy_bytes(bytes());
  }
}

}  // namespace flatproxy
