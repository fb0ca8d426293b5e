#pragma once

#include <string>

namespace flatproxy {

/// The mesh's access log.
struct AccessLogSettings {
  std::string file;
  std::string format;   ///< `json`, or a line with %names%
  double sample = 1.0;  ///< share of the exchanges that went well; of the others each is written
  bool operator==(const AccessLogSettings&) const = default;
};

}  // namespace flatproxy
