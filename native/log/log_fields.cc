#include "log/log_fields.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace flatproxy {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;

constexpr std::array<const char*, kLogFields> kNames{
    "time",     "listener",  "route",     "service", "endpoint",     "client",    "method",     "host",
    "path",     "protocol",  "status",    "outcome", "flags",        "tries",     "bytesIn",    "bytesOut",
    "duration", "firstByte", "userAgent", "referer", "forwardedFor", "requestId", "traceparent"};

/// RFC 3339, in UTC, with microseconds.
std::string time_text(Nanoseconds since_1970) {
  const auto seconds = static_cast<time_t>(since_1970 / kSecond);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  const size_t size = strftime(text, sizeof(text), "%FT%T", &parts);
  std::snprintf(text + size, sizeof(text) - size, ".%06uZ", static_cast<unsigned>(since_1970 % kSecond / 1000));
  return text;
}

/// Milliseconds, to the microsecond.
std::string milliseconds_text(Nanoseconds duration) {
  const Nanoseconds us = duration / 1000;
  char text[32];
  std::snprintf(text, sizeof(text), "%llu.%03u", static_cast<unsigned long long>(us / 1000),
                static_cast<unsigned>(us % 1000));
  return text;
}

std::string end_text(const wire::Address& address, uint16_t port) {
  std::string text;
  text.append(address.is_v4() ? "" : "[").append(address.to_string()).append(address.is_v4() ? ":" : "]:");
  return text.append(std::to_string(port));
}

LogValue number(uint64_t value) { return {.text = std::to_string(value), .quoted = false}; }
LogValue milliseconds(Nanoseconds duration) { return {.text = milliseconds_text(duration), .quoted = false}; }
LogValue nothing() { return {.text = {}, .there = false}; }

LogValue text_of(ExchangeText which, const ExchangeRecord& record) {
  const std::string_view text = record.text(which);
  return text.empty() ? nothing() : LogValue{.text = std::string(text)};
}

LogValue flags_of(const ExchangeRecord& record) {
  const std::string flags = http::flags_of(record.outcome);
  return flags.empty() ? nothing() : LogValue{.text = flags};
}

}  // namespace

const char* name_of(LogField field) { return kNames[static_cast<size_t>(field)]; }

std::optional<LogField> log_field_of(std::string_view name) {
  for (uint32_t i = 0; i < kLogFields; ++i) {
    if (name == kNames[i]) return static_cast<LogField>(i);
  }
  return std::nullopt;
}

LogValue value_of(LogField field, const ExchangeRecord& record, Nanoseconds to_wall) {
  switch (field) {
    case LogField::time:
      return {.text = time_text(record.began + to_wall)};
    case LogField::listener:
      return text_of(ExchangeText::listener, record);
    case LogField::route:
      return text_of(ExchangeText::route, record);
    case LogField::service:
      return text_of(ExchangeText::service, record);
    case LogField::endpoint:
      return record.endpoint_port == 0 ? nothing() : LogValue{.text = end_text(record.endpoint, record.endpoint_port)};
    case LogField::client:
      return {.text = end_text(record.client, record.client_port)};
    case LogField::method:
      return text_of(ExchangeText::method, record);
    case LogField::host:
      return text_of(ExchangeText::authority, record);
    case LogField::path:
      return text_of(ExchangeText::target, record);
    case LogField::protocol:
      if (record.text(ExchangeText::method).empty()) return nothing();
      return {.text = record.version == http::Version::http11 ? "HTTP/1.1" : "HTTP/1.0"};
    case LogField::status:
      return record.status == 0 ? nothing() : number(record.status);
    case LogField::outcome:
      return {.text = http::name_of(record.outcome)};
    case LogField::flags:
      return flags_of(record);
    case LogField::tries:
      return number(record.tries);
    case LogField::bytes_in:
      return number(record.bytes_up);
    case LogField::bytes_out:
      return number(record.bytes_down);
    case LogField::duration:
      return milliseconds(record.ended - record.began);
    case LogField::first_byte:
      return record.answered == 0 ? nothing() : milliseconds(record.answered - record.began);
    case LogField::user_agent:
      return text_of(ExchangeText::user_agent, record);
    case LogField::referer:
      return text_of(ExchangeText::referer, record);
    case LogField::forwarded_for:
      return text_of(ExchangeText::forwarded_for, record);
    case LogField::request_id:
      return text_of(ExchangeText::request_id, record);
    case LogField::traceparent:
      return text_of(ExchangeText::traceparent, record);
  }
  return nothing();
}

}  // namespace flatproxy
