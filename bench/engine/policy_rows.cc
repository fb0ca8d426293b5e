#include "policy_rows.h"

#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "classify/policy_table.h"
#include "row.h"

namespace flatproxy::bench {
namespace {

constexpr uint32_t kWorkloads = 1000;
constexpr uint32_t kGroups = 250;
constexpr uint32_t kPolicies = 10'000;
constexpr uint32_t kFlows = 1 << 16;

wire::Address v4(uint32_t host_order) {
  const uint32_t network_order = __builtin_bswap32(host_order);
  return wire::Address::from_v4(&network_order);
}
wire::Address workload(uint32_t i) { return v4(0x0a000000 + 257 * i); }
wire::Address outsider(uint32_t i) { return v4(0xc6336400 + i); }

Selector group_of(uint32_t first, uint32_t count, uint32_t step) {
  Selector group;
  for (uint32_t i = 0; i < count; ++i) group.within.push_back({workload(first + i * step), 32});
  return group;
}

/// Each group has 20 policies for what it receives, and as many for what it sends: from and to other groups, some from
/// prefixes outside, each with a port or a range of its own.
PolicySet many_policies() {
  std::mt19937 random(7);
  PolicySet set;
  for (uint32_t g = 0; g < kGroups; ++g) set.selectors.push_back(group_of(g, kWorkloads / kGroups, kGroups));
  for (uint32_t i = 0; i < 16; ++i)
    set.selectors.push_back({{{v4(0xc6336400 + 16 * i), 28}}, {{v4(0xc6336403 + 16 * i), 32}}});
  for (uint32_t i = 0; i < kPolicies; ++i) {
    Policy policy;
    policy.direction = i % 2 == 0 ? PolicyDirection::ingress : PolicyDirection::egress;
    policy.subject = {i / 2 % kGroups};
    policy.peer = {{static_cast<uint32_t>(random() % set.selectors.size())}};
    const auto first = static_cast<uint16_t>(1024 + random() % 60'000);
    policy.ports = {{6, first, static_cast<uint16_t>(first + random() % 100)}};
    policy.action = i % 10 == 0 ? PolicyAction::deny : PolicyAction::allow;
    set.policies.push_back(std::move(policy));
  }
  return set;
}

/// Most flows are among workloads, the rest from or to outside; every second goes to a port that a policy names.
std::vector<PolicyKey> flows_for(const PolicySet& set, uint32_t workloads) {
  std::mt19937 random(8);
  const auto below = [&](size_t n) { return static_cast<uint32_t>(random() % n); };
  const auto anyone = [&] { return below(4) == 0 ? outsider(below(256)) : workload(below(workloads)); };
  std::vector<PolicyKey> flows(kFlows);
  for (PolicyKey& flow : flows) {
    flow = {anyone(), anyone(), 6, static_cast<uint16_t>(below(65'536))};
    const auto& ports = set.policies[below(set.policies.size())].ports;
    if (!ports.empty() && below(2) == 0) flow.port = ports[0].first;
  }
  return flows;
}

void classify(const char* name, const PolicySet& set, uint32_t workloads, int rounds) {
  const PolicyTable table(set);
  const std::vector<PolicyKey> flows = flows_for(set, workloads);
  Row row{name, "flows/s", true, {}, {}};
  for (int i = 0; i < rounds; ++i) {
    uint64_t judged = 0;
    uint64_t passed = 0;
    const double start = seconds();
    double now = start;
    do {
      for (const PolicyKey& flow : flows) passed += table.judge(flow).passes();
      judged += kFlows;
      now = seconds();
    } while (now - start < kDuration);
    if (passed == 0 || passed == judged) {
      std::fprintf(stderr, "engine_bench: all flows were judged alike\n");
      std::exit(1);
    }
    row.rounds.push_back(static_cast<double>(judged) / (now - start));
  }
  print(row);
}

}  // namespace

void classify_new(int rounds) { classify("classify-new-10k", many_policies(), kWorkloads, rounds); }

void classify_product(int rounds) {
  PolicySet set;
  set.selectors = {group_of(0, kWorkloads, 2), group_of(1, kWorkloads, 2)};
  set.policies.push_back({"all", PolicyDirection::ingress, {0}, {{1}}, {}, PolicyAction::allow});
  classify("classify-1k-by-1k", set, 2 * kWorkloads, rounds);
}

void policy_build(int rounds) {
  const PolicySet set = many_policies();
  Row row{"policy-build-10k", "ns", false, {}, {}};
  for (int i = 0; i < rounds; ++i) {
    const double start = seconds();
    const PolicyTable table(set);
    if (table.empty()) std::exit(1);
    row.rounds.push_back((seconds() - start) * 1e9);
  }
  print(row);
}

}  // namespace flatproxy::bench
