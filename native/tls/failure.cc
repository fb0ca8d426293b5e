#include "tls/failure.h"

#include <iterator>

namespace flatproxy::tls {

const char* name(Failure failure) {
  static constexpr const char* kNames[] = {
      "none",       "not_tls",  "version", "parameters", "application_protocol", "handshake", "record", "renegotiation",
      "peer_alert", "overload", "late",    "truncated",  "no_buffers",           "internal"};
  static_assert(std::size(kNames) == kFailures);
  return kNames[static_cast<size_t>(failure)];
}

}  // namespace flatproxy::tls
