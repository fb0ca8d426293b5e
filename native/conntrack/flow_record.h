#pragma once

#include <cstdint>

#include "conntrack/flow.h"
#include "conntrack/roce_counts.h"
#include "packet/reason.h"
#include "packet/tuple.h"

namespace flatproxy {

/// A flow as it is shown: a copy that can leave the lane.
struct FlowRecord {
  Tuple original;
  wire::Address nat_address;
  uint16_t nat_port = 0;
  uint16_t ingress = 0;
  uint32_t service = kNone;   ///< service id
  uint32_t endpoint = kNone;  ///< endpoint id
  uint32_t policy = kNone;    ///< which allows it at present, or refuses it, by its place in the mesh of `generation`
  uint32_t generation = 0;    ///< of the snapshot that says so, modulo 2^32
  uint32_t opened_at = 0;     ///< milliseconds on the lane's clock
  uint32_t last_seen = 0;
  uint64_t packets[2] = {};           ///< wire segments, by direction
  uint64_t bytes[2] = {};             ///< of IP packets; of a terminated one those of its streams
  FlowState state = FlowState::udp;   ///< of one that was refused: means nothing
  Reason reason = Reason::forwarded;  ///< what its packets end in
  bool translated = false;
  bool assured = false;
  bool terminated = false;  ///< a connection that ends here and is relayed; packets are those of its client's side
  bool roce = false;        ///< RoCEv2, of which source ports mean nothing
  uint32_t qp = 0;          ///< RoCEv2: the destination's
  RoceCounts roce_counts;   ///< RoCEv2
  static constexpr uint32_t kNone = ~0u;
};

/// `denied`: its first packet was refused; `denied_over`: no more of them come, and the record has them all; `logged`:
/// a policy wants it told; `nak_alarm`, `cnp_alarm`: a flow of RoCEv2 has many of these.
enum class FlowEventKind : uint8_t { opened, closed, denied, denied_over, logged, nak_alarm, cnp_alarm };
struct FlowEvent {
  FlowEventKind kind;
  FlowRecord flow;
  uint32_t log = FlowRecord::kNone;  ///< `logged`: that policy, by its place in the mesh of the record's generation
};

}  // namespace flatproxy
