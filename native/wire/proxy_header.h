#pragma once

#include <cstdint>

#include "wire/address.h"
#include "wire/bytes.h"

namespace flatproxy::wire {

/// What a PROXY protocol header says of the connection that it stands in front of ("The PROXY protocol", HAProxy,
/// versions 1 and 2).
struct ProxyHeader {
  /// The proxy speaks for itself, or does not know (LOCAL, UNKNOWN, UNSPEC): the connection's own addresses count.
  bool local = false;
  Address source;
  Address destination;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  bool operator==(const ProxyHeader&) const = default;
};

enum class ProxyParse : uint8_t {
  complete,
  incomplete,  ///< more bytes are needed
  invalid,     ///< no header, or a malformed one
};

constexpr uint32_t kProxyV1MaxSize = 107;   ///< the longest line of version 1, its end included
constexpr uint32_t kProxyV2MaxSize = 2048;  ///< with its extensions; longer ones are refused
constexpr uint32_t kProxyV2EmitSize = 52;   ///< what emit_proxy_v2() writes at most

/// Reads a header of either version from the front of a stream. Extensions (TLVs) are passed over. Of version 2 only
/// connections over TCP have addresses; others count as local.
/// @param size bytes that the header takes, when complete
ProxyParse parse_proxy_header(Bytes bytes, ProxyHeader& header, uint32_t& size);

/// Write a header, and return its size; `out` holds kProxyV1MaxSize, kProxyV2EmitSize.
uint32_t emit_proxy_v1(const ProxyHeader& header, MutableBytes out);
uint32_t emit_proxy_v2(const ProxyHeader& header, MutableBytes out);

}  // namespace flatproxy::wire
