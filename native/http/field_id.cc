#include "http/field_id.h"

#include "http/chars.h"

namespace flatproxy::http {
namespace {

FieldId if_is(std::string_view name, std::string_view lower_case, FieldId id) {
  return equals_ignoring_case(name, lower_case) ? id : FieldId::other;
}

}  // namespace

FieldId field_id(std::string_view name) {
  const char first = static_cast<char>(name.empty() ? 0 : name[0] | 0x20);
  switch (name.size()) {
    case 2:
      return if_is(name, "te", FieldId::te);
    case 3:
      return if_is(name, "via", FieldId::via);
    case 4:
      return if_is(name, "host", FieldId::host);
    case 6:
      return first == 'c' ? if_is(name, "cookie", FieldId::cookie) : if_is(name, "expect", FieldId::expect);
    case 7:
      return first == 't' ? if_is(name, "trailer", FieldId::trailer) : if_is(name, "upgrade", FieldId::upgrade);
    case 9:
      return if_is(name, "forwarded", FieldId::forwarded);
    case 10:
      return first == 'c' ? if_is(name, "connection", FieldId::connection)
                          : if_is(name, "keep-alive", FieldId::keep_alive);
    case 11:
      return if_is(name, "traceparent", FieldId::traceparent);
    case 14:
      return if_is(name, "content-length", FieldId::content_length);
    case 15:
      return if_is(name, "x-forwarded-for", FieldId::x_forwarded_for);
    case 16:
      if (first == 'p') return if_is(name, "proxy-connection", FieldId::proxy_connection);
      return name[12] == 'h' || name[12] == 'H' ? if_is(name, "x-forwarded-host", FieldId::x_forwarded_host)
                                                : if_is(name, "x-forwarded-port", FieldId::x_forwarded_port);
    case 17:
      return first == 't' ? if_is(name, "transfer-encoding", FieldId::transfer_encoding)
                          : if_is(name, "x-forwarded-proto", FieldId::x_forwarded_proto);
    default:
      return FieldId::other;
  }
}

}  // namespace flatproxy::http
