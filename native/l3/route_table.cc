#include "l3/route_table.h"

namespace flatproxy {

RouteTable::RouteTable(std::vector<Route> routes) : routes_(std::move(routes)) {
  std::vector<PrefixMap::Entry> entries;
  for (uint32_t i = 0; i < routes_.size(); ++i) entries.emplace_back(routes_[i].to, i);
  places_ = PrefixMap(std::move(entries));
}

}  // namespace flatproxy
