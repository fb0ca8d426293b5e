#pragma once

#include <cstdint>

#include "conntrack/flow_record.h"

namespace flatproxy {

/// A flow, or an event of one, as JavaScript reads it (lib/proxy/flow-record.ts): little-endian, as is every machine
/// that the addon is built for.
struct FlowBytes {
  double packets;  ///< wire segments, both directions
  double bytes;    ///< of IP packets, both directions
  uint8_t source[16];
  uint8_t destination[16];
  uint8_t endpoint[16];
  uint16_t source_port;
  uint16_t destination_port;
  uint16_t endpoint_port;
  uint16_t ingress;
  uint32_t service_id;
  uint32_t endpoint_id;
  uint32_t policy;
  uint32_t generation;
  uint32_t opened_at;
  uint32_t last_seen;
  uint8_t protocol;
  uint8_t family;
  uint8_t state;
  uint8_t translated;
  uint8_t kind;  ///< of an event: FlowEventKind
  uint8_t terminated;
  uint8_t reason;
  uint8_t roce;  ///< qp and what follows `log`, but for the zone, are of RoCEv2
  uint32_t qp;
  uint32_t log;  ///< of an event: FlowEvent::log
  double retransmitted;
  double naks;
  double classes[wire::kRoceClasses][2];  ///< packets, bytes
  uint16_t zone;                          ///< Tuple's
  uint16_t unused[3];
};
static_assert(sizeof(FlowBytes) == 248);

FlowBytes to_bytes(const FlowRecord& flow);
FlowBytes to_bytes(const FlowEvent& event);
/// What they were made of, but for what only sums have.
FlowRecord from_bytes(const FlowBytes& bytes);
FlowEvent event_from_bytes(const FlowBytes& bytes);

}  // namespace flatproxy
