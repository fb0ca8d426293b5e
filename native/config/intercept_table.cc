#include "config/intercept_table.h"

#include <algorithm>
#include <map>

namespace flatproxy {

InterceptTable::InterceptTable(const std::vector<std::shared_ptr<const Listener>>& listeners) {
  struct Entry {
    unsigned length;
    wire::Address address;
    uint32_t value;
  };
  std::map<uint32_t, std::vector<Entry>> entries;
  for (const auto& listener : listeners) {
    if (listener == nullptr) continue;
    for (const wire::Prefix& prefix : listener->within) {
      const unsigned length = prefix.length + (prefix.address.is_v4() ? 96u : 0u);
      entries[key_of(listener->port, listener->on)].push_back({length, prefix.address, listener->id + 1});
    }
  }
  for (auto& [key, all] : entries) {
    std::stable_sort(all.begin(), all.end(), [](const Entry& a, const Entry& b) { return a.length < b.length; });
    RouteHash& table = tables_.emplace(key, all.size()).first->second;
    for (const Entry& entry : all) table.insert(entry.address, entry.length, entry.value);
  }
}

}  // namespace flatproxy
