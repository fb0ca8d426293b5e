#pragma once

#include <optional>
#include <string_view>

#include "http/message.h"

namespace flatproxy::http {

/// The value of a cookie that a request brings (RFC 6265 section 4.2.1), of the first that has the name; nothing: it
/// brings none.
inline std::optional<std::string_view> cookie_value(const Fields& fields, std::string_view name) {
  for (const Field& field : fields) {
    if (field.id != FieldId::cookie) continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      const size_t end = rest.find(';');
      std::string_view pair = rest.substr(0, end);
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      while (!pair.empty() && pair.front() == ' ') pair.remove_prefix(1);
      if (pair.size() > name.size() && pair[name.size()] == '=' && pair.substr(0, name.size()) == name)
        return pair.substr(name.size() + 1);
    }
  }
  return std::nullopt;
}

}  // namespace flatproxy::http
