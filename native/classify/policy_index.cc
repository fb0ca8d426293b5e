#include "classify/policy_index.h"

#include <algorithm>
#include <string>

#include "packet/error.h"

namespace flatproxy {

/// Ports of one protocol that a policy fits.
struct PolicyIndex::Span {
  uint32_t bit;
  uint16_t first;
  uint16_t last;
};

namespace {

PolicyOpinion::Kind kind_of(PolicyAction action) {
  switch (action) {
    case PolicyAction::deny:
      return PolicyOpinion::denied;
    case PolicyAction::reject:
      return PolicyOpinion::rejected;
    default:
      return PolicyOpinion::allowed;
  }
}

/// One row for each selector: the policies that name it.
class RowsBySelector {
 public:
  RowsBySelector(size_t selectors, const BitRows& rows) : blank_(rows.blank()), named_(selectors) {}
  void name(uint32_t selector, uint32_t bit) { named_[selector].push_back(bit); }
  /// Those that name any of the selectors.
  BitRows::Row unite(const std::vector<uint32_t>& selectors, BitRows::Row row) const {
    for (const uint32_t selector : selectors) {
      for (const uint32_t bit : named_[selector]) BitRows::set(row, bit);
    }
    return row;
  }
  const BitRows::Row& blank() const { return blank_; }

 private:
  BitRows::Row blank_;
  std::vector<std::vector<uint32_t>> named_;
};

}  // namespace

PolicyIndex::PolicyIndex(const PolicySet& set, PolicyDirection direction, const AddressClasses& classes) {
  arrange(set, direction);
  const auto bits = static_cast<uint32_t>(order_.size());
  subjects_ = peers_ = ports_ = BitRows(bits);
  index_classes(set, classes);
  index_ports(set);
  for (BitRows* rows : {&subjects_, &peers_, &ports_}) rows->seal();
}

void PolicyIndex::arrange(const PolicySet& set, PolicyDirection direction) {
  for (const bool denials : {true, false}) {
    for (uint32_t i = 0; i < set.policies.size(); ++i) {
      const Policy& policy = set.policies[i];
      if (policy.direction != direction || (policy.action != PolicyAction::allow) != denials) continue;
      order_.push_back({kind_of(policy.action), i});
    }
  }
}

void PolicyIndex::index_classes(const PolicySet& set, const AddressClasses& classes) {
  RowsBySelector subjects(set.selectors.size(), subjects_);
  RowsBySelector peers(set.selectors.size(), peers_);
  BitRows::Row any_peer = peers_.blank();
  std::vector<uint32_t> isolates(set.selectors.size(), PolicyOpinion::kNoPolicy);  // the first allow that names it
  for (uint32_t bit = 0; bit < order_.size(); ++bit) {
    const auto [kind, at] = order_[bit];
    const Policy& policy = set.policies[at];
    for (const uint32_t selector : policy.subject) {
      subjects.name(selector, bit);
      if (kind == PolicyOpinion::allowed) isolates[selector] = std::min(isolates[selector], at);
    }
    if (!policy.peer) BitRows::set(any_peer, bit);
    for (const uint32_t selector : policy.peer.value_or(std::vector<uint32_t>())) peers.name(selector, bit);
  }
  for (uint32_t c = 0; c < classes.size(); ++c) {
    const std::vector<uint32_t>& selectors = classes.selectors_of(c);
    subject_rows_.push_back(subjects_.add(subjects.unite(selectors, subjects.blank())));
    peer_rows_.push_back(peers_.add(peers.unite(selectors, any_peer)));
    uint32_t first = PolicyOpinion::kNoPolicy;
    for (const uint32_t selector : selectors) first = std::min(first, isolates[selector]);
    isolated_.push_back({first == PolicyOpinion::kNoPolicy ? PolicyOpinion::none : PolicyOpinion::isolated, first});
    check_size();
  }
}

void PolicyIndex::index_ports(const PolicySet& set) {
  BitRows::Row always = ports_.blank();
  std::array<std::vector<Span>, 256> spans;
  for (uint32_t bit = 0; bit < order_.size(); ++bit) {
    const std::vector<PolicyPorts>& ports = set.policies[order_[bit].policy].ports;
    if (ports.empty()) BitRows::set(always, bit);
    for (const PolicyPorts& range : ports) spans[range.protocol].push_back({bit, range.first, range.last});
  }
  any_port_.fill(ports_.add(always));
  for (unsigned protocol = 0; protocol < spans.size(); ++protocol) {
    if (!spans[protocol].empty()) index_protocol(static_cast<uint8_t>(protocol), spans[protocol], always);
  }
}

/// Goes through the ports from below: a policy's bit is set from where one of its spans begins to where all have ended.
void PolicyIndex::index_protocol(uint8_t protocol, const std::vector<Span>& spans, const BitRows::Row& always) {
  const auto is_whole = [](const Span& span) { return span.first == 0 && span.last == 65535; };
  BitRows::Row row = always;
  if (std::all_of(spans.begin(), spans.end(), is_whole)) {
    for (const Span& span : spans) BitRows::set(row, span.bit);
    any_port_[protocol] = ports_.add(row);
    return;
  }
  struct Edge {
    uint32_t port;
    uint32_t bit;
    int change;
  };
  std::vector<Edge> edges;
  for (const Span& span : spans) {
    edges.push_back({span.first, span.bit, 1});
    edges.push_back({uint32_t{span.last} + 1, span.bit, -1});
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.port < b.port; });
  auto table = std::make_unique<PortTable>();
  std::vector<int> open(order_.size());
  size_t next = 0;
  for (uint32_t port = 0; port < table->size();) {
    for (; next < edges.size() && edges[next].port <= port; ++next) {
      const auto [at, bit, change] = edges[next];
      open[bit] += change;
      if (open[bit] > 0) {
        BitRows::set(row, bit);
      } else {
        row[bit / 64] &= ~(uint64_t{1} << bit % 64);
      }
    }
    const uint32_t end = next < edges.size() ? std::min<uint32_t>(edges[next].port, 65536) : 65536;
    std::fill(table->begin() + port, table->begin() + end, ports_.add(row));
    check_size();
    port = end;
  }
  by_port_[protocol] = std::move(table);
}

void PolicyIndex::check_size() const {
  if (bytes() <= kMostBytes) return;
  throw Error("ERR_FLATPROXY_RESOURCE",
              "the policies do not fit into the " + std::to_string(kMostBytes >> 20) + " MB that they may take",
              "use fewer policies, or fewer different ports and groups in them");
}

}  // namespace flatproxy
