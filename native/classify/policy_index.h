#pragma once

#include <cstdint>
#include <vector>

#include "classify/address_classes.h"
#include "classify/bit_rows.h"
#include "classify/policy.h"
#include "classify/port_rows.h"
#include "classify/way_rows.h"

namespace flatproxy {

/// What the policies of one direction say of a flow.
struct PolicyOpinion {
  enum Kind : uint8_t { none, allowed, denied, rejected, isolated };
  Kind kind = none;
  uint32_t policy = kNoPolicy;  ///< which says so, by its place in the set
  static constexpr uint32_t kNoPolicy = ~uint32_t{0};
};

/// Throws Error ERR_FLATPROXY_RESOURCE when the rows of an index of policies would take more memory than they may.
void check_policy_bytes(size_t bytes);

/// The policies of one direction that allow or deny, found by the classes of subject and peer, by protocol and port,
/// and by the port and the VLAN that a flow comes by, if any of them looks at that: each gives the set of policies that
/// it fits, and the first in all of them is the answer. Denials stand before all that allows. (DPDK's rte_acl, tried on
/// 10,000 policies of the same classes, takes a hundred times as long to build and four times as long to ask, and needs
/// EAL's memory.)
class PolicyIndex {
 public:
  /// @throws Error as check_policy_bytes()
  PolicyIndex(const PolicySet& set, PolicyDirection direction, const AddressClasses& classes);
  PolicyIndex(const PolicyIndex&) = delete;
  PolicyIndex& operator=(const PolicyIndex&) = delete;

  PolicyOpinion judge(uint32_t subject, uint32_t peer, const PolicyKey& key) const {
    if (order_.empty()) return {};
    const BitRows::View about = subjects_.at(subject_rows_[subject]);
    const BitRows::View others = peers_.at(peer_rows_[peer]);
    const uint32_t found = by_way_ ? first_by_way(about, others, key) : BitRows::first(about, others, ports_.of(key));
    if (found != BitRows::kNone) return order_[found];
    return isolated_[subject];
  }
  size_t bytes() const { return subjects_.bytes() + peers_.bytes() + ports_.bytes() + ways_.bytes(); }

 private:
  static std::vector<PolicyOpinion> arranged(const PolicySet& set, PolicyDirection direction);
  void index_classes(const PolicySet& set, const AddressClasses& classes);
  uint32_t first_by_way(BitRows::View about, BitRows::View others, const PolicyKey& key) const;

  std::vector<PolicyOpinion> order_;     // by bit: the policies of this direction, denials first
  std::vector<PolicyOpinion> isolated_;  // by class of the subject: what holds when no policy fits
  BitRows subjects_, peers_;
  std::vector<uint32_t> subject_rows_;  // by class
  std::vector<uint32_t> peer_rows_;     // by class
  bool by_way_ = false;                 // ways_ has rows
  PortRows ports_;
  WayRows ways_;
};

}  // namespace flatproxy
