#pragma once

#include <cstddef>
#include <cstdint>

namespace flatproxy::tls {

/// Why a connection over TLS ended otherwise than in order.
enum class Failure : uint8_t {
  none,
  not_tls,               ///< what came first is no TLS record: plain HTTP, for one
  version,               ///< none in common
  parameters,            ///< no suite, group or signature in common
  application_protocol,  ///< none in common (RFC 7301 section 3.2)
  handshake,             ///< the peer has broken its rules otherwise
  record,                ///< one was malformed, or was not sealed with the peer's keys
  renegotiation,         ///< was asked for
  peer_alert,            ///< the peer has given up, and said so
  overload,              ///< more handshakes are under way than there is room for
  late,                  ///< its handshake was not done in time
  truncated,             ///< the peer's bytes ended without its close_notify (RFC 8446 section 6.1)
  no_buffers,
  internal,  ///< the library has failed: out of memory
  count
};
constexpr size_t kFailures = static_cast<size_t>(Failure::count);

/// As statistics name it.
const char* name(Failure failure);

}  // namespace flatproxy::tls
