#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "exchange/exchange_record.h"

namespace flatproxy {

/// What a line of the access log may hold, in the order of a JSON line (docs/http.md).
enum class LogField : uint8_t {
  time,
  listener,
  route,
  service,
  endpoint,
  client,
  method,
  host,
  path,
  protocol,
  status,
  outcome,
  flags,
  tries,
  bytes_in,
  bytes_out,
  duration,
  first_byte,
  user_agent,
  referer,
  forwarded_for,
  request_id,
  traceparent,
};
constexpr uint32_t kLogFields = static_cast<uint32_t>(LogField::traceparent) + 1;

/// Its name in JSON and, between percent signs, in a format: `bytesIn`.
const char* name_of(LogField field);
/// The field that is called so; nothing: none is.
std::optional<LogField> log_field_of(std::string_view name);

/// A field's value as a line shows it.
struct LogValue {
  std::string text;
  bool quoted = true;  ///< in JSON: what came from outside is, numbers are not
  bool there = true;   ///< else `null` in JSON, `-` in a format
};
/// @param to_wall what makes the lane's time one since 1970
LogValue value_of(LogField field, const ExchangeRecord& record, Nanoseconds to_wall);

}  // namespace flatproxy
