#include "classify/duty_index.h"

#include "classify/policy_index.h"
#include "classify/selector_rows.h"

namespace flatproxy {
namespace {

std::vector<uint32_t> places_of(const PolicySet& set, PolicyAction action) {
  std::vector<uint32_t> places;
  for (uint32_t i = 0; i < set.policies.size(); ++i) {
    if (set.policies[i].action == action) places.push_back(i);
  }
  return places;
}

}  // namespace

DutyIndex::DutyIndex(const PolicySet& set, PolicyAction action, const AddressClasses& classes)
    : places_(places_of(set, action)),
      sources_(static_cast<uint32_t>(places_.size())),
      destinations_(static_cast<uint32_t>(places_.size())),
      ports_(set, places_, check_policy_bytes),
      ways_(set, places_) {
  if (places_.empty()) return;
  index_classes(set, classes);
  sources_.seal();
  destinations_.seal();
}

void DutyIndex::index_classes(const PolicySet& set, const AddressClasses& classes) {
  SelectorRows sources(set.selectors.size());
  SelectorRows destinations(set.selectors.size());
  BitRows::Row any_source = sources_.blank();
  BitRows::Row any_destination = destinations_.blank();
  for (uint32_t bit = 0; bit < places_.size(); ++bit) {
    const Policy& policy = set.policies[places_[bit]];
    const bool ingress = policy.direction == PolicyDirection::ingress;
    (ingress ? destinations : sources).name(policy.subject, bit);
    if (policy.peer) {
      (ingress ? sources : destinations).name(*policy.peer, bit);
    } else {
      BitRows::set(ingress ? any_source : any_destination, bit);
    }
  }
  for (uint32_t c = 0; c < classes.size(); ++c) {
    const std::vector<uint32_t>& selectors = classes.selectors_of(c);
    source_rows_.push_back(sources_.add(sources.unite(selectors, any_source)));
    destination_rows_.push_back(destinations_.add(destinations.unite(selectors, any_destination)));
    check_policy_bytes(bytes());
  }
}

PolicyPlaces DutyIndex::find(uint32_t source, uint32_t destination, const PolicyKey& key) const {
  PolicyPlaces found;
  if (places_.empty()) return found;
  const auto take = [&](uint32_t bit) {
    found.push(places_[bit]);
    return !found.full();
  };
  ways_.each(key, take, sources_.at(source_rows_[source]), destinations_.at(destination_rows_[destination]),
             ports_.of(key));
  return found;
}

}  // namespace flatproxy
