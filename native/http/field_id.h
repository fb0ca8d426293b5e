#pragma once

#include <string_view>

#include "http/message.h"

namespace flatproxy::http {

/// Which field a name, a token, names; case does not matter.
FieldId field_id(std::string_view name);

/// Whether a field is about one connection, and ends with it (RFC 9110 section 7.6.1).
constexpr bool is_hop_by_hop(FieldId id) {
  switch (id) {
    case FieldId::connection:
    case FieldId::keep_alive:
    case FieldId::proxy_connection:
    case FieldId::te:
    case FieldId::transfer_encoding:
    case FieldId::upgrade:
      return true;
    default:
      return false;
  }
}

}  // namespace flatproxy::http
