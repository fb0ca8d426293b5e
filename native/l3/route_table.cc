#include "l3/route_table.h"

#include <algorithm>
#include <numeric>

namespace flatproxy {

RouteTable::RouteTable(std::vector<Route> routes) : routes_(std::move(routes)) {
  std::vector<uint32_t> order(routes_.size());
  std::iota(order.begin(), order.end(), 0u);
  // Of equal prefixes the one inserted last counts, so the first route comes last.
  std::stable_sort(order.begin(), order.end(), [this](uint32_t a, uint32_t b) {
    const uint8_t length_a = routes_[a].to.length;
    const uint8_t length_b = routes_[b].to.length;
    return length_a != length_b ? length_a < length_b : a > b;
  });
  const auto is_v6 = [](const Route& route) { return !route.to.address.is_v4(); };
  v6_ = RouteHash(static_cast<size_t>(std::count_if(routes_.begin(), routes_.end(), is_v6)));
  for (const uint32_t i : order) {
    const wire::Address address = routes_[i].to.network().address;
    if (address.is_v4()) {
      v4_.insert(address.v4_bytes(), routes_[i].to.length, i + 1);
    } else {
      v6_.insert(address, routes_[i].to.length, i + 1);
    }
  }
}

}  // namespace flatproxy
