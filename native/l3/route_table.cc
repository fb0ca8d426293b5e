#include "l3/route_table.h"

#include <algorithm>
#include <numeric>

namespace flatproxy {
namespace {

wire::Address masked(const wire::Prefix& prefix) {
  wire::Address address = prefix.address;
  unsigned bits = prefix.length + (address.is_v4() ? 96u : 0u);
  for (uint8_t& byte : address.bytes) {
    const unsigned here = std::min(bits, 8u);
    byte = static_cast<uint8_t>(byte & (0xff00u >> here));
    bits -= here;
  }
  return address;
}

}  // namespace

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
    const wire::Address address = masked(routes_[i].to);
    if (address.is_v4()) {
      v4_.insert(address.v4_bytes(), routes_[i].to.length, i + 1);
    } else {
      v6_.insert(address, routes_[i].to.length, i + 1);
    }
  }
}

}  // namespace flatproxy
