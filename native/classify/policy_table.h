#pragma once

#include <cstdint>
#include <vector>

#include "classify/address_classes.h"
#include "classify/duty_index.h"
#include "classify/policy.h"
#include "classify/policy_index.h"
#include "packet/reason.h"

namespace flatproxy {

/// Whether a flow may pass, and which policy says so.
struct Judgement {
  Reason reason = Reason::forwarded;  ///< `forwarded`: it may
  uint32_t policy = kNoPolicy;        ///< by its place in the set; kNoPolicy: none, it is the default
  static constexpr uint32_t kNoPolicy = PolicyOpinion::kNoPolicy;
  bool passes() const { return reason == Reason::forwarded; }
};

/// What policies want done with a flow, beside letting it pass or not.
struct PolicyDuties {
  PolicyPlaces logs;
  PolicyPlaces limits;
  PolicyPlaces mirrors;
  bool empty() const { return logs.empty() && limits.empty() && mirrors.empty(); }
  void unite(const PolicyDuties& others) {
    logs.unite(others.logs);
    limits.unite(others.limits);
    mirrors.unite(others.mirrors);
  }
  bool operator==(const PolicyDuties&) const = default;
};

/// All policies of a snapshot, compiled; immutable. A flow passes when neither the sender's egress nor the receiver's
/// ingress denies it: by a policy that denies, or by policies that allow others only (NetworkPolicy's isolation). What
/// no policy allows is the default's. Policies that go on are asked for by themselves: duties().
class PolicyTable {
 public:
  PolicyTable() : PolicyTable(PolicySet{}) {}
  /// @throws Error ERR_FLATPROXY_RESOURCE
  explicit PolicyTable(PolicySet set);

  /// Nothing is ever denied.
  bool empty() const { return set_.policies.empty() && !set_.deny_by_default; }
  /// Whether flows that run are ended when they are denied.
  bool cuts() const { return !empty() && !set_.keeps_running; }
  const PolicySet& set() const { return set_; }
  Judgement judge(const PolicyKey& key) const;
  /// Whether a policy speaks of queue pairs or opcodes.
  bool speaks_of_roce() const { return speaks_of_roce_; }
  /// Whether a policy looks at the port that a flow comes by; if none does, a key need not have it.
  bool speaks_of_arrival() const { return speaks_of_arrival_; }
  /// Whether there are policies that go on.
  bool has_duties() const { return !logs_.empty() || !limits_.empty() || !mirrors_.empty(); }
  /// Whether a policy sends copies to a port, by its id.
  bool mirrors_to(uint16_t port) const { return port < mirror_ports_.size() && mirror_ports_[port]; }
  /// What is to be done with a flow, whatever judge() says.
  PolicyDuties duties(const PolicyKey& key) const;
  /// What the policies of one direction say; judge() is what comes of both.
  PolicyOpinion opinion(const PolicyKey& key, PolicyDirection direction) const;

 private:
  PolicySet set_;
  AddressClasses classes_;
  PolicyIndex egress_;
  PolicyIndex ingress_;
  DutyIndex logs_;
  DutyIndex limits_;
  DutyIndex mirrors_;
  std::vector<bool> mirror_ports_;  // by id
  bool speaks_of_roce_ = false;
  bool speaks_of_arrival_ = false;
};

}  // namespace flatproxy
