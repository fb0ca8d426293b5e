#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "log/log_fields.h"

namespace flatproxy {

/// How an exchange becomes a line.
class LogFormat {
 public:
  /// @param format `json`, for a JSON object with every field; else a text with `%name%` for fields and `%%` for a
  /// percent sign. Throws Error ERR_FLATPROXY_INTERNAL for one that has neither between two percent signs.
  explicit LogFormat(std::string_view format);

  /// Appends a line. What came from outside cannot end it or pass for another value: in JSON by its escapes, else bytes
  /// that are no printable ASCII, quotation marks and backslashes are written as \xHH.
  void write(const ExchangeRecord& record, Nanoseconds to_wall, std::string& out) const;

 private:
  struct Piece {
    std::string text;  // in front of the field
    std::optional<LogField> field;
  };
  void write_json(const ExchangeRecord& record, Nanoseconds to_wall, std::string& out) const;

  std::vector<Piece> pieces_;  // empty: JSON
};

}  // namespace flatproxy
