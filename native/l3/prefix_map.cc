#include "l3/prefix_map.h"

#include <algorithm>

namespace flatproxy {

PrefixMap::PrefixMap(std::vector<Entry> entries) {
  // Of equal prefixes the one that is inserted last counts, so the first comes last.
  std::reverse(entries.begin(), entries.end());
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.first.length < b.first.length; });
  const auto is_v6 = [](const Entry& entry) { return !entry.first.address.is_v4(); };
  v6_ = RouteHash(static_cast<size_t>(std::count_if(entries.begin(), entries.end(), is_v6)));
  for (const auto& [prefix, number] : entries) {
    const wire::Address address = prefix.network().address;
    if (address.is_v4()) {
      v4_.insert(address.v4_bytes(), prefix.length, number + 1);
    } else {
      v6_.insert(address, prefix.length, number + 1);
    }
  }
}

}  // namespace flatproxy
