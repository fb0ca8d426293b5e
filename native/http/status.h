#pragma once

#include <cstdint>
#include <string_view>

namespace flatproxy::http {

/// The reason phrase of a status (RFC 9110 section 15); empty for one that is not known.
std::string_view reason_of(uint16_t status);

}  // namespace flatproxy::http
