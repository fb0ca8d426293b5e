#pragma once

namespace flatproxy::bench {

/// Nanoseconds to find the route of a request by host and path prefix, among 10,000.
void route_match(int rounds);

}  // namespace flatproxy::bench
