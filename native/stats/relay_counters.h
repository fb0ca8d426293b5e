#pragma once

#include "stats/counter.h"

namespace flatproxy {

/// What a lane counts of a listener's relayed connections.
struct RelayCounters {
  Counter taken;       ///< connections from clients
  Counter relayed;     ///< of them, with an endpoint behind
  Counter active;      ///< now
  Counter over_limit;  ///< ended for a limit of the mesh, or for want of room
  Counter no_endpoint;
  Counter denied;            ///< ended by policies, behind their handshake
  Counter connect_failed;    ///< refused, unreachable or too late
  Counter bad_proxy_header;  ///< malformed, too late, or from a peer that is not trusted
  Counter idle;              ///< ended for idleness
  Counter resets;            ///< passed on
  Counter bytes_up;          ///< to endpoints
  Counter bytes_down;        ///< to clients
};

}  // namespace flatproxy
