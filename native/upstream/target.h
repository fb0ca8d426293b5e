#pragma once

#include <cstdint>

#include "conntrack/flow_record.h"
#include "packet/tuple.h"
#include "wire/proxy_header.h"

namespace flatproxy {

/// Whose a connection is: what Connection::owner points to.
struct ConnectionOwner {
  enum class Kind : uint8_t { tcp_relay, http_client, http_endpoint };
  explicit ConnectionOwner(Kind of) : kind(of) {}
  Kind kind;
};

/// Who is at the other end of a connection that was taken.
struct RelayClient {
  uint16_t listener;
  wire::ProxyHeader ends;  ///< the client's and the listener's address; those of the PROXY header, if there was one
  wire::Address peer;      ///< the client as TCP knows it
  uint64_t path = 0;       ///< of its connection, what the transmitter keeps there: how its frames leave...
  uint64_t mark = 0;       ///< ...and what else it knows
};

/// An endpoint, and how it is connected to.
struct RelayTarget {
  static constexpr uint32_t kNone = FlowRecord::kNone;

  uint32_t service = kNone;
  uint32_t endpoint = kNone;     ///< of whom connections are counted; none of whom the client has addressed itself
  uint32_t max_connections = 0;  ///< to the endpoint; 0: no limit
  uint8_t proxy_header = 0;      ///< version 1 or 2 of the PROXY header, 0: none
  Tuple tuple{};                 ///< source: an address and port of ours
  uint16_t mtu = 0;              ///< of the path at most; 0: that of the stack
  uint64_t mark = 0;             ///< the connection's, for the stack's transmitter...
  uint64_t path = 0;             ///< ...and how it leaves, if that is known
  bool opened = false;           ///< a connection was begun, and keeps what it was given until the stack forgets it
};

}  // namespace flatproxy
