#include "classify/arrival_rows.h"

#include <algorithm>

namespace flatproxy {

ArrivalRows::ArrivalRows(const PolicySet& set, const std::vector<uint32_t>& places)
    : rows_(static_cast<uint32_t>(places.size())) {
  const auto fits_all = [&](uint32_t place) { return set.policies[place].on.empty(); };
  if (std::all_of(places.begin(), places.end(), fits_all)) return;
  const BitRows::Row none = rows_.blank();
  BitRows::Row always = none, unknown = none;
  std::vector<BitRows::Row> by_id(kMaxPorts + 1, none);  // the last: the node's own stack
  for (uint32_t bit = 0; bit < places.size(); ++bit) {
    const Policy& policy = set.policies[places[bit]];
    if (policy.on.empty()) BitRows::set(always, bit);
    if (denies(policy.action)) BitRows::set(unknown, bit);
    for (const uint16_t id : policy.on) BitRows::set(by_id[id], bit);
  }
  const auto add = [&](BitRows::Row& row) {
    BitRows::unite(row, always);
    return rows_.add(row);
  };
  for (uint32_t id = 0; id < kMaxPorts; ++id) by_port_[id] = add(by_id[id]);
  nodes_stack_ = add(by_id[Policy::kNodesStack]);
  unknown_ = add(unknown);
  rows_.seal();
}

}  // namespace flatproxy
