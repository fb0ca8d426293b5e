#include "classify/port_rows.h"

#include <algorithm>

namespace flatproxy {

/// Ports of one protocol that a policy fits.
struct PortRows::Span {
  uint32_t bit;
  uint16_t first;
  uint16_t last;
};

PortRows::PortRows(const PolicySet& set, const std::vector<uint32_t>& places,
                   const std::function<void(size_t bytes)>& check)
    : rows_(static_cast<uint32_t>(places.size())) {
  BitRows::Row always = rows_.blank();
  std::array<std::vector<Span>, 256> spans;
  for (uint32_t bit = 0; bit < places.size(); ++bit) {
    const std::vector<PolicyPorts>& ports = set.policies[places[bit]].ports;
    if (ports.empty()) BitRows::set(always, bit);
    for (const PolicyPorts& range : ports) spans[range.protocol].push_back({bit, range.first, range.last});
  }
  any_port_.fill(rows_.add(always));
  for (unsigned protocol = 0; protocol < spans.size(); ++protocol) {
    if (!spans[protocol].empty()) index_protocol(static_cast<uint8_t>(protocol), spans[protocol], always, check);
  }
  rows_.seal();
}

/// Goes through the ports from below: a policy's bit is set from where one of its spans begins to where all have ended.
void PortRows::index_protocol(uint8_t protocol, const std::vector<Span>& spans, const BitRows::Row& always,
                              const std::function<void(size_t bytes)>& check) {
  const auto is_whole = [](const Span& span) { return span.first == 0 && span.last == 65535; };
  BitRows::Row row = always;
  if (std::all_of(spans.begin(), spans.end(), is_whole)) {
    for (const Span& span : spans) BitRows::set(row, span.bit);
    any_port_[protocol] = rows_.add(row);
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
  std::vector<int> open(64 * row.size());
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
    std::fill(table->begin() + port, table->begin() + end, rows_.add(row));
    check(rows_.bytes());
    port = end;
  }
  by_port_[protocol] = std::move(table);
}

}  // namespace flatproxy
