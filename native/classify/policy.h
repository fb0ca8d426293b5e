#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "packet/port_id.h"
#include "packet/segment.h"
#include "wire/address.h"
#include "wire/roce.h"

namespace flatproxy {

constexpr uint32_t kMaxPolicies = 65536;

/// Which side of a flow a policy judges for: the one that receives its first packet, or the one that sends it.
enum class PolicyDirection : uint8_t { ingress, egress };
enum class PolicyAction : uint8_t { allow, deny, reject, log, limit, mirror };

constexpr bool denies(PolicyAction action) { return action == PolicyAction::deny || action == PolicyAction::reject; }
/// Whether a policy neither allows nor denies: what it matches goes on to the others.
constexpr bool goes_on(PolicyAction action) { return action >= PolicyAction::log; }

/// Who is meant: addresses within one of the prefixes and within no exception. Workloads are /32 and /128.
struct Selector {
  std::vector<wire::Prefix> within;
  std::vector<wire::Prefix> except;
  bool operator==(const Selector&) const = default;
};

/// Destination ports of one protocol, host order, both ends included. Protocols without ports have 0.
struct PolicyPorts {
  uint8_t protocol = 0;
  uint16_t first = 0;
  uint16_t last = 65535;
  bool operator==(const PolicyPorts&) const = default;
};

/// RoCEv2 to queue pairs, both ends included, of classes of opcodes.
struct PolicyRoce {
  uint32_t first = 0;
  uint32_t last = wire::kRoceNumberMask;
  uint8_t classes = kAllClasses;  ///< bit i: wire::RoceClass i
  bool operator==(const PolicyRoce&) const = default;
  static constexpr uint8_t kAllClasses = (1u << wire::kRoceClasses) - 1;
};

/// VLANs by their ids, both ends included; 0: no tag.
struct PolicyVlans {
  uint16_t first = 0;
  uint16_t last = kHighest;
  bool operator==(const PolicyVlans&) const = default;
  static constexpr uint16_t kHighest = 4094;
};

/// What a policy that limits counts.
enum class LimitOf : uint8_t { packets, bytes, flows };

/// A token bucket: `rate` in each interval, `burst` at once.
struct PolicyLimit {
  LimitOf of = LimitOf::packets;
  uint64_t rate = 1;         ///< up to kMostTokens
  Nanoseconds interval = 1;  ///< up to an hour
  uint64_t burst = 1;        ///< up to kMostTokens
  static constexpr uint64_t kMostTokens = 1'000'000'000'000;
  static constexpr Nanoseconds kLongestInterval = 3'600'000'000'000;
  bool operator==(const PolicyLimit&) const = default;
};

/// Where a policy that mirrors sends copies of packets, and how much of them.
struct PolicyMirror {
  uint16_t port = 0;           ///< id
  uint32_t snap_length = ~0u;  ///< bytes of a frame, at most
  bool operator==(const PolicyMirror&) const = default;
};

/// A policy, its selectors by their index. Ingress: the subject receives, a peer sends; egress: the other way.
struct Policy {
  std::string name;
  PolicyDirection direction = PolicyDirection::ingress;
  std::vector<uint32_t> subject;              ///< whom it selects; any of these selectors
  std::optional<std::vector<uint32_t>> peer;  ///< nothing: anyone
  std::vector<PolicyPorts> ports;             ///< any of these or of `roce`; both empty: all protocols
  PolicyAction action = PolicyAction::allow;
  uint32_t counter = 0;   ///< of one that goes on: the id of its counters, which it keeps from mesh to mesh
  PolicyLimit limit{};    ///< of one that limits
  PolicyMirror mirror{};  ///< of one that mirrors
  std::vector<PolicyRoce> roce{};
  std::vector<uint16_t> on{};                            ///< ids of ports that flows come by, any of these; empty: all
  std::vector<PolicyVlans> vlans{};                      ///< that flows come in, any of these; empty: all
  static constexpr uint16_t kNodesStack = host_side(0);  ///< in `on`: the host side of any port
  bool operator==(const Policy&) const = default;
  /// Whether it is about all protocols.
  bool fits_all() const { return ports.empty() && roce.empty(); }
};

/// What a packet of RoCEv2 goes to.
struct RoceTarget {
  uint32_t qp = 0;
  wire::RoceClass kind = wire::RoceClass::send;
};

/// A flow as policies see it: from whom to whom, after its service's translation.
struct PolicyKey {
  wire::Address source;
  wire::Address destination;
  uint8_t protocol = 0;
  uint16_t port = 0;           ///< destination port, host order; 0 where the protocol has none
  uint16_t arrival = kNoPort;  ///< id of the port that its first packet came by, or, if kNoPort, nobody knows
  /// RoCEv2: one of its opcodes' classes; a flow of it has a judgement for each.
  std::optional<RoceTarget> roce{};
  uint16_t vlan = 0;  ///< id, up to PolicyVlans::kHighest; 0: untagged, as all that is routed
};

/// All policies of a mesh, in its order.
struct PolicySet {
  bool deny_by_default = false;  ///< flows that no policy allows
  bool keeps_running = false;    ///< flows that run go on when they are denied
  std::vector<Selector> selectors;
  std::vector<Policy> policies;
  bool operator==(const PolicySet&) const = default;
};

}  // namespace flatproxy
