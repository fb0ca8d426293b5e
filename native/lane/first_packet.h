#pragma once

#include "balance/picker.h"
#include "config/snapshot.h"
#include "conntrack/flow_table.h"
#include "packet/flow_hash.h"
#include "packet/reason.h"
#include "packet/tuple.h"

namespace flatproxy {

// What becomes of a packet without a flow: decided by a snapshot and a lane's balance, for the lane that carries it and
// for who asks what it would do.

/// What a packet without a flow is about to open.
struct Opening {
  Tuple original;
  uint64_t hash = 0;  ///< of `original`, in the flow table
  Direction direction = kOriginal;
  const Service* service = nullptr;
  uint32_t endpoint = Picker::kNone;  ///< index in the service, when it is known already
};

/// `hash` is for the caller to fill in.
Opening opening_for(const Snapshot& snapshot, const Tuple& tuple, const LaneBalance& balance);

/// The port that the client of a flow is behind: the one by which its first packet came, or, where that is a reply, the
/// one that leads to its receiver; kNoPort: none does.
uint16_t client_port(const Snapshot& snapshot, const Opening& opening, uint16_t arrival);

/// The port that a flow's client is behind at present: `before`, where it was, if that is still there and the client
/// may send by it; else the one that leads to it, by which it may; kNoPort: none.
uint16_t client_port_now(const Snapshot& snapshot, const wire::Address& client, uint16_t before);

/// The port that leads to an address; kNoPort: none. @param near what leads to the node's own stack leaves behind
uint16_t port_towards(const Snapshot& snapshot, const wire::Address& to, uint16_t near);

/// By which an endpoint is picked.
inline uint64_t balance_hash(const Service& service, const Tuple& original) {
  return service.source_affinity ? address_hash(original.source, kBalanceKey) : flow_hash(original, kBalanceKey);
}

/// A flow as policies see it. @param endpoint where it goes to, after its translation
/// @param arrival the port that its client is behind, or kNoPort
PolicyKey policy_key(const Tuple& original, const wire::Address& endpoint, uint16_t port, uint16_t arrival);

/// Two flows of one client from one source port, to two virtual addresses with the same endpoint behind: the endpoint
/// would take them for one. The second one gets another source port there (RFC 7857 section 3.3 asks for no collision).
/// @param taken whether a flow has this tuple of replies. False: there is no port
template <typename Taken>
bool find_source_port(const Opening& opening, Translation& translation, Taken&& taken) {
  constexpr unsigned kTries = 64;
  constexpr uint16_t kLowestMovedPort = 1024;
  for (unsigned i = 0; i < kTries; ++i) {
    if (!taken(FlowTable::reply_to(opening.original, translation))) return true;
    if (opening.direction == kReply) return false;  // what runs already cannot be moved
    const uint64_t drawn = fold_multiply(flow_hash(opening.original, kBalanceKey), 2 * i + 1);
    translation.source_port = static_cast<uint16_t>(kLowestMovedPort + drawn % (65536 - kLowestMovedPort));
  }
  return false;
}

/// What becomes of a packet to an address of ours that no service takes; `forwarded`: it goes to the node's own stack,
/// by the host side of the port that it came by.
Reason answer_of(const Snapshot& snapshot, uint16_t port, const wire::Address& destination, bool echo_request);

}  // namespace flatproxy
