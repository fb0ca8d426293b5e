#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "http/message.h"

namespace flatproxy::http {

/// The trace id of a traceparent's value: 32 hexadecimal digits; nothing: the value is none, also by its version, and a
/// trace is to begin anew (W3C Trace Context section 3.2).
std::optional<std::string_view> trace_id(std::string_view traceparent);
/// That of a request: of its only traceparent.
std::optional<std::string_view> trace_id(const Fields& fields);

/// The first part of a trace, as we write it: sampled, of version 00.
struct TraceParent {
  using Text = std::array<char, 55>;

  uint64_t trace[2];
  uint64_t parent;

  /// @param random 64 unpredictable bits a call
  template <typename Random>
  static TraceParent begin(Random&& random) {
    // Of all zeros, an id would be none.
    return {{random() | 1, random()}, random() | 1};
  }
  Text text() const;
};

}  // namespace flatproxy::http
