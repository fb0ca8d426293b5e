#include "http/trace_context.h"

#include <algorithm>
#include <string_view>
#include <tuple>

namespace flatproxy::http {
namespace {

// version "-" trace-id "-" parent-id "-" trace-flags
constexpr size_t kVersion = 2, kTraceId = 32, kParentId = 16, kFlags = 2;
constexpr size_t kTraceAt = kVersion + 1;
constexpr size_t kParentAt = kTraceAt + kTraceId + 1;
constexpr size_t kFlagsAt = kParentAt + kParentId + 1;
constexpr size_t kSize = kFlagsAt + kFlags;
static_assert(kSize == std::tuple_size_v<TraceParent::Text>);

/// Small ones alone are allowed.
bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_id(std::string_view text) { return is_hex(text) && text.find_first_not_of('0') != std::string_view::npos; }

char* write_hex(char* to, uint64_t value) {
  for (int shift = 60; shift >= 0; shift -= 4) *to++ = "0123456789abcdef"[value >> shift & 15];
  return to;
}

}  // namespace

std::optional<std::string_view> trace_id(std::string_view value) {
  if (value.size() < kSize) return std::nullopt;
  const std::string_view version = value.substr(0, kVersion);
  if (!is_hex(version) || version == "ff") return std::nullopt;
  // What a later version has behind the flags we do not know, but that it begins with a dash (section 4.3).
  if (value.size() > kSize && (version == "00" || value[kSize] != '-')) return std::nullopt;
  if (value[kTraceAt - 1] != '-' || value[kParentAt - 1] != '-' || value[kFlagsAt - 1] != '-') return std::nullopt;
  const std::string_view id = value.substr(kTraceAt, kTraceId);
  const bool valid = is_id(id) && is_id(value.substr(kParentAt, kParentId)) && is_hex(value.substr(kFlagsAt, kFlags));
  return valid ? std::optional(id) : std::nullopt;
}

std::optional<std::string_view> trace_id(const Fields& fields) {
  const Field* field = fields.repeats(FieldId::traceparent) ? nullptr : fields.find(FieldId::traceparent);
  return field != nullptr ? trace_id(field->value) : std::nullopt;
}

TraceParent::Text TraceParent::text() const {
  Text text;
  char* to = text.data();
  const auto write = [&](std::string_view part) { to = std::copy(part.begin(), part.end(), to); };
  write("00-");
  to = write_hex(write_hex(to, trace[0]), trace[1]);
  write("-");
  to = write_hex(to, parent);
  write("-01");
  return text;
}

}  // namespace flatproxy::http
