#include "classify/port_rows.h"

#include <algorithm>

#include "wire/protocol.h"

namespace flatproxy {
namespace {

constexpr uint32_t kPorts = 65'536;
constexpr uint32_t kQueuePairs = wire::kRoceNumberMask + 1;

bool fits_roce_as_udp(const Policy& policy) {
  return policy.fits_all() || std::any_of(policy.ports.begin(), policy.ports.end(), [](const PolicyPorts& ports) {
           return ports.protocol == wire::protocol::kUdp && ports.first <= wire::kRocePort &&
                  ports.last >= wire::kRocePort;
         });
}

}  // namespace

PortRows::PortRows(const PolicySet& set, const std::vector<uint32_t>& places, const Check& check)
    : rows_(static_cast<uint32_t>(places.size())) {
  BitRows::Row always = rows_.blank();
  std::array<BitSpans, 256> spans;
  for (uint32_t bit = 0; bit < places.size(); ++bit) {
    const Policy& policy = set.policies[places[bit]];
    if (policy.fits_all()) BitRows::set(always, bit);
    for (const PolicyPorts& range : policy.ports) spans[range.protocol].add(bit, range.first, range.last);
  }
  any_port_.fill(rows_.add(always));
  for (unsigned protocol = 0; protocol < spans.size(); ++protocol) {
    if (!spans[protocol].empty()) index_protocol(static_cast<uint8_t>(protocol), spans[protocol], always, check);
  }
  index_roce(set, places, check);
  rows_.seal();
}

void PortRows::index_protocol(uint8_t protocol, BitSpans& spans, const BitRows::Row& always, const Check& check) {
  if (spans.all_whole(kPorts)) {
    spans.each_part(always, 1,
                    [&](const BitRows::Row& row, uint32_t, uint32_t) { any_port_[protocol] = rows_.add(row); });
    return;
  }
  auto table = std::make_unique<PortTable>();
  spans.each_part(always, kPorts, [&](const BitRows::Row& row, uint32_t first, uint32_t end) {
    std::fill(table->begin() + first, table->begin() + end, rows_.add(row));
    check(rows_.bytes());
  });
  by_port_[protocol] = std::move(table);
}

/// It is UDP as well.
void PortRows::index_roce(const PolicySet& set, const std::vector<uint32_t>& places, const Check& check) {
  BitRows::Row always = rows_.blank();
  std::array<BitSpans, wire::kRoceClasses> spans;
  for (uint32_t bit = 0; bit < places.size(); ++bit) {
    const Policy& policy = set.policies[places[bit]];
    if (fits_roce_as_udp(policy)) {
      BitRows::set(always, bit);
      continue;
    }
    for (const PolicyRoce& roce : policy.roce) {
      for (size_t kind = 0; kind < spans.size(); ++kind) {
        if ((roce.classes >> kind & 1) != 0) spans[kind].add(bit, roce.first, roce.last);
      }
    }
  }
  for (size_t kind = 0; kind < spans.size(); ++kind) {
    spans[kind].each_part(always, kQueuePairs, [&](const BitRows::Row& row, uint32_t first, uint32_t) {
      by_queue_pair_[kind].push_back({first, rows_.add(row)});
      check(rows_.bytes());
    });
  }
}

uint32_t PortRows::of_roce(const RoceTarget& target) const {
  const std::vector<QueuePairs>& all = by_queue_pair_[static_cast<size_t>(target.kind)];
  const auto behind = std::upper_bound(all.begin(), all.end(), target.qp,
                                       [](uint32_t qp, const QueuePairs& part) { return qp < part.first; });
  return (behind - 1)->row;
}

}  // namespace flatproxy
