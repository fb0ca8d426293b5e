#pragma once

#include <array>

#include "config/snapshot.h"
#include "conntrack/region.h"
#include "packet/reason.h"
#include "stats/counter.h"
#include "stats/counter_table.h"
#include "stats/exchange_counters.h"
#include "stats/http_counters.h"
#include "stats/packet_counter.h"
#include "stats/policy_counters.h"
#include "stats/relay_counters.h"
#include "stats/roce_counters.h"
#include "stats/tls_counters.h"

namespace flatproxy {

struct PortCounter {
  PacketCounter received;
  PacketCounter sent;
  Counter spoofed;  ///< wire segments received whose source is not one of the port's
  Counter up;       ///< 1 while the port is there
};

struct ServiceCounter {
  PacketCounter carried;  ///< both directions
  Counter new_flows;
  Counter active_flows;
};

/// Everything that one lane counts. The lane writes, anybody reads.
struct LaneCounters {
  std::array<PacketCounter, kReasons> reasons;
  std::array<PortCounter, kPortIds> ports;         ///< by port id, host sides included
  Region<ServiceCounter> services{kMaxServices};   ///< by service id
  Region<RelayCounters> listeners{kMaxListeners};  ///< by listener id
  Region<TlsCounters> tls{kMaxListeners};          ///< likewise
  Region<HttpCounters> http{kMaxListeners};        ///< likewise
  CounterTable<ExchangeCounters> routes{kMaxRoutes};
  CounterTable<ExchangeCounters> endpoints{kMaxEndpoints};
  CounterTable<PolicyCounters> policies{kMaxPolicies};  ///< by Policy::counter
  RoceCounters roce;
  Counter flows;
  Counter flow_capacity;
  Counter evicted_flows;
  Counter connections;  ///< TCP, that end here
  Counter handed_over;
  Counter busy_time;  ///< nanoseconds spent in iterations that had work
  Counter buffers_in_use;
  Counter health_changes;  ///< endpoints that became healthy or unhealthy
};

}  // namespace flatproxy
