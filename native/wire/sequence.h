#pragma once

#include <cstdint>

namespace flatproxy {

// TCP's sequence numbers wrap, so they are compared by their distance (RFC 9293 section 3.4).

constexpr bool before(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }
constexpr bool after(uint32_t a, uint32_t b) { return before(b, a); }
constexpr uint32_t later(uint32_t a, uint32_t b) { return before(a, b) ? b : a; }
constexpr uint32_t earlier(uint32_t a, uint32_t b) { return before(a, b) ? a : b; }
/// a <= x <= b
constexpr bool within(uint32_t a, uint32_t x, uint32_t b) { return x - a <= b - a; }

}  // namespace flatproxy
