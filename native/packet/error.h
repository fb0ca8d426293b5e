#pragma once

#include <stdexcept>
#include <string>

namespace flatproxy {

// A failure on the cold path (opening ports, building snapshots). `code` is stable (ERR_FLATPROXY_*), `what()` says
// what went wrong, `remedy` what its reader can do about it (may be empty). Never thrown on the packet path.
struct Error : std::runtime_error {
  Error(std::string error_code, const std::string& message, std::string error_remedy = {});

  std::string code;
  std::string remedy;
};

}  // namespace flatproxy
