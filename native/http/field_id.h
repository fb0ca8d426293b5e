#pragma once

#include <string_view>

#include "http/message.h"

namespace flatproxy::http {

/// Which field a name, a token, names; case does not matter.
FieldId field_id(std::string_view name);

/// Fields about one connection, which end with it (RFC 9110 section 7.6.1).
constexpr FieldSet kHopByHop = {FieldId::connection, FieldId::keep_alive,        FieldId::proxy_connection,
                                FieldId::te,         FieldId::transfer_encoding, FieldId::upgrade};

}  // namespace flatproxy::http
