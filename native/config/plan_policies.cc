#include "config/plan_policies.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "config/contradiction.h"

namespace flatproxy {
namespace {

constexpr uint64_t kHighest32 = 0xffff'ffff;
constexpr uint64_t kHighestPort = 65535;

std::vector<wire::Prefix> read_prefixes(const PlanValue& value) {
  std::vector<wire::Prefix> prefixes;
  value.each([&](const PlanValue& each) { prefixes.push_back(each.prefix()); });
  return prefixes;
}

PlannedSelector read_selector(const PlanValue& value) {
  PlannedSelector selector;
  if (value.has("cidrs")) {
    selector.addresses = {read_prefixes(value.at("cidrs")), read_prefixes(value.at("except"))};
    value.members(2);
    return selector;
  }
  const PlanValue workloads = value.at("workloads");
  value.members(1);
  selector.every_workload = workloads.is_text();
  if (selector.every_workload) {
    workloads.one_of<bool>({{"all", true}});
  } else {
    workloads.each(
        [&](const PlanValue& each) { selector.workloads.push_back(each.number_as<uint32_t>(0, kHighest32)); });
  }
  return selector;
}

std::vector<uint32_t> read_places(const PlanValue& value, size_t selectors) {
  std::vector<uint32_t> places;
  value.each([&](const PlanValue& each) {
    if (selectors == 0) each.wrong("no selector, as there is none");
    places.push_back(each.number_as<uint32_t>(0, selectors - 1));
  });
  return places;
}

wire::RoceClass read_roce_class(const PlanValue& value) {
  using enum wire::RoceClass;
  return value.one_of<wire::RoceClass>({{"send", send},
                                        {"write", write},
                                        {"read", read},
                                        {"atomic", atomic},
                                        {"ack", ack},
                                        {"cnp", cnp},
                                        {"other", other}});
}

PolicyRoce read_roce(const PlanValue& value) {
  PolicyRoce roce;
  roce.classes = 0;
  value.at("opcodes").each([&](const PlanValue& each) {
    roce.classes |= static_cast<uint8_t>(1u << static_cast<unsigned>(read_roce_class(each)));
  });
  roce.first = value.at("first").number_as<uint32_t>(0, wire::kRoceNumberMask);
  roce.last = value.at("last").number_as<uint32_t>(roce.first, wire::kRoceNumberMask);
  value.members(3);
  return roce;
}

PolicyPorts read_ports(const PlanValue& value) {
  PolicyPorts ports;
  ports.protocol = value.at("protocol").number_as<uint8_t>(0, 255);
  ports.first = value.at("first").number_as<uint16_t>(0, kHighestPort);
  ports.last = value.at("last").number_as<uint16_t>(ports.first, kHighestPort);
  value.members(3);
  return ports;
}

PolicyLimit read_limit(const PlanValue& value) {
  PolicyLimit limit;
  limit.of = value.at("of").one_of<LimitOf>(
      {{"packets", LimitOf::packets}, {"bytes", LimitOf::bytes}, {"flows", LimitOf::flows}});
  limit.rate = value.at("rate").number(1, PolicyLimit::kMostTokens);
  limit.interval = value.at("interval").number(1, PolicyLimit::kLongestInterval / 1'000'000) * 1'000'000;
  limit.burst = value.at("burst").number(1, PolicyLimit::kMostTokens);
  value.members(4);
  return limit;
}

PolicyMirror read_mirror(const PlanValue& value) {
  PolicyMirror mirror;
  mirror.port = value.at("port").number_as<uint16_t>(0, kMaxPorts - 1);
  if (const PlanValue snap = value.at("snapLength"); !snap.null())
    mirror.snap_length = snap.number_as<uint32_t>(1, kHighest32);
  value.members(2);
  return mirror;
}

std::vector<uint16_t> read_arrivals(const PlanValue& value) {
  std::vector<uint16_t> ids;
  value.each([&](const PlanValue& each) { ids.push_back(each.number_as<uint16_t>(0, kMaxPorts - 1)); });
  if (ids.empty()) value.wrong("a port at least");
  return ids;
}

std::vector<PolicyVlans> read_vlans(const PlanValue& value) {
  std::vector<PolicyVlans> vlans;
  value.each([&](const PlanValue& each) {
    PolicyVlans range;
    range.first = each.at("first").number_as<uint16_t>(0, PolicyVlans::kHighest);
    range.last = each.at("last").number_as<uint16_t>(range.first, PolicyVlans::kHighest);
    each.members(2);
    vlans.push_back(range);
  });
  if (vlans.empty()) value.wrong("a range at least");
  return vlans;
}

Policy read_policy(const PlanValue& value, size_t selectors) {
  Policy policy;
  policy.name = value.at("name").text();
  policy.direction =
      value.at("direction")
          .one_of<PolicyDirection>({{"ingress", PolicyDirection::ingress}, {"egress", PolicyDirection::egress}});
  policy.subject = read_places(value.at("subject"), selectors);
  if (const PlanValue peer = value.at("peer"); !peer.null()) policy.peer = read_places(peer, selectors);
  if (const PlanValue ports = value.at("ports"); !ports.null()) {
    ports.each([&](const PlanValue& each) {
      if (each.has("opcodes")) {
        policy.roce.push_back(read_roce(each));
      } else {
        policy.ports.push_back(read_ports(each));
      }
    });
  }
  policy.action = value.at("action").one_of<PolicyAction>({{"allow", PolicyAction::allow},
                                                           {"deny", PolicyAction::deny},
                                                           {"reject", PolicyAction::reject},
                                                           {"log", PolicyAction::log},
                                                           {"limit", PolicyAction::limit},
                                                           {"mirror", PolicyAction::mirror}});
  if (goes_on(policy.action)) policy.counter = value.at("counter").number_as<uint32_t>(0, kMaxPolicies - 1);
  const bool limits = policy.action == PolicyAction::limit;
  if (limits) policy.limit = read_limit(value.at("limit"));
  const bool mirrors = policy.action == PolicyAction::mirror;
  if (mirrors) policy.mirror = read_mirror(value.at("mirror"));
  // Without it: all.
  const bool has_on = value.has("on");
  if (has_on) policy.on = read_arrivals(value.at("on"));
  const bool has_vlans = value.has("vlans");
  if (has_vlans) policy.vlans = read_vlans(value.at("vlans"));
  value.members(size_t{6} + goes_on(policy.action) + limits + mirrors + has_on + has_vlans);
  return policy;
}

void add_addresses(const Workload& workload, Selector& selector) {
  for (const wire::Address& address : workload.addresses) selector.within.push_back(wire::Prefix::of(address));
}

}  // namespace

std::optional<PlannedPolicies> read_policies(const PlanValue& value) {
  if (value.null()) return std::nullopt;
  PlannedPolicies planned;
  planned.deny_by_default = value.at("default").one_of<bool>({{"allow", false}, {"deny", true}});
  value.at("selectors").each([&](const PlanValue& each) { planned.selectors.push_back(read_selector(each)); });
  value.at("rules").each(
      [&](const PlanValue& each) { planned.policies.push_back(read_policy(each, planned.selectors.size())); });
  // Without it: 'cut'.
  const bool has_on_deny = value.has("onDeny");
  if (has_on_deny) planned.keeps_running = value.at("onDeny").one_of<bool>({{"cut", false}, {"keep", true}});
  value.members(has_on_deny ? 4 : 3);
  return planned;
}

PolicySet resolve_policies(PlannedPolicies planned, const std::vector<Workload>& workloads, uint16_t node) {
  std::unordered_map<uint32_t, const Workload*> by_id;
  for (const Workload& workload : workloads) by_id.emplace(workload.id, &workload);
  PolicySet set{planned.deny_by_default, planned.keeps_running, {}, std::move(planned.policies)};
  for (PlannedSelector& selector : planned.selectors) {
    Selector resolved = std::move(selector.addresses);
    if (selector.every_workload) {
      for (const Workload& workload : workloads) add_addresses(workload, resolved);
    }
    for (const uint32_t id : selector.workloads) {
      const auto found = by_id.find(id);
      if (found == by_id.end()) contradiction("a policy speaks of workload " + std::to_string(id) + ", which is none");
      add_addresses(*found->second, resolved);
    }
    set.selectors.push_back(std::move(resolved));
  }
  for (Policy& policy : set.policies) std::replace(policy.on.begin(), policy.on.end(), node, Policy::kNodesStack);
  return set;
}

}  // namespace flatproxy
