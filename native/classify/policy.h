#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "wire/address.h"

namespace flatproxy {

constexpr uint32_t kMaxPolicies = 65536;

/// Which side of a flow a policy judges for: the one that receives its first packet, or the one that sends it.
enum class PolicyDirection : uint8_t { ingress, egress };
enum class PolicyAction : uint8_t { allow, deny, reject, log };

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

/// A policy, its selectors by their index. Ingress: the subject receives, a peer sends; egress: the other way.
struct Policy {
  std::string name;
  PolicyDirection direction = PolicyDirection::ingress;
  std::vector<uint32_t> subject;              ///< whom it selects; any of these selectors
  std::optional<std::vector<uint32_t>> peer;  ///< nothing: anyone
  std::vector<PolicyPorts> ports;             ///< empty: all protocols
  PolicyAction action = PolicyAction::allow;
  uint32_t counter = 0;  ///< of one that goes on: the id of its counters, which it keeps from mesh to mesh
  bool operator==(const Policy&) const = default;
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
