#include "classify/vlan_rows.h"

#include <algorithm>

#include "classify/bit_spans.h"

namespace flatproxy {
namespace {

constexpr uint32_t kIds = 4096;  // as many as a tag can say

}  // namespace

VlanRows::VlanRows(const PolicySet& set, const std::vector<uint32_t>& places)
    : rows_(static_cast<uint32_t>(places.size())) {
  BitRows::Row always = rows_.blank();
  BitSpans spans;
  for (uint32_t bit = 0; bit < places.size(); ++bit) {
    const Policy& policy = set.policies[places[bit]];
    if (policy.vlans.empty()) BitRows::set(always, bit);
    for (const PolicyVlans& range : policy.vlans) spans.add(bit, range.first, range.last);
  }
  if (spans.empty()) return;
  by_vlan_.resize(kIds);
  spans.each_part(always, kIds, [&](const BitRows::Row& row, uint32_t first, uint32_t end) {
    std::fill(by_vlan_.begin() + first, by_vlan_.begin() + end, rows_.add(row));
  });
  rows_.seal();
}

}  // namespace flatproxy
