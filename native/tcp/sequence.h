#pragma once

#include <cstdint>

namespace flatproxy::tcp {

/// A sequence number: they wrap, so that they are compared by their distance (RFC 9293 section 3.4).
using Sequence = uint32_t;

constexpr bool before(Sequence a, Sequence b) { return static_cast<int32_t>(a - b) < 0; }
constexpr bool after(Sequence a, Sequence b) { return before(b, a); }
constexpr Sequence later(Sequence a, Sequence b) { return before(a, b) ? b : a; }
constexpr Sequence earlier(Sequence a, Sequence b) { return before(a, b) ? a : b; }
/// a <= x <= b
constexpr bool within(Sequence a, Sequence x, Sequence b) { return x - a <= b - a; }

}  // namespace flatproxy::tcp
