#include "addon/flow_bytes.h"

#include <bit>
#include <cstring>

namespace flatproxy {

static_assert(std::endian::native == std::endian::little);

namespace {

void add_roce(FlowBytes& to, const FlowRecord& flow) {
  to.qp = flow.qp;
  to.retransmitted = static_cast<double>(flow.roce_counts.retransmitted);
  to.naks = static_cast<double>(flow.roce_counts.naks);
  for (size_t i = 0; i < wire::kRoceClasses; ++i) {
    to.classes[i][0] = static_cast<double>(flow.roce_counts.classes[i].packets);
    to.classes[i][1] = static_cast<double>(flow.roce_counts.classes[i].bytes);
  }
}

}  // namespace

FlowBytes to_bytes(const FlowRecord& flow) {
  FlowBytes to{};
  to.packets = static_cast<double>(flow.packets[0] + flow.packets[1]);
  to.bytes = static_cast<double>(flow.bytes[0] + flow.bytes[1]);
  std::memcpy(to.source, flow.original.source.bytes.data(), 16);
  std::memcpy(to.destination, flow.original.destination.bytes.data(), 16);
  std::memcpy(to.endpoint, flow.nat_address.bytes.data(), 16);
  to.source_port = flow.original.source_port;
  to.destination_port = flow.original.destination_port;
  to.endpoint_port = flow.nat_port;
  to.ingress = flow.ingress;
  to.service_id = flow.service;
  to.endpoint_id = flow.endpoint;
  to.policy = flow.policy;
  to.generation = flow.generation;
  to.opened_at = flow.opened_at;
  to.last_seen = flow.last_seen;
  to.protocol = flow.original.protocol;
  to.family = flow.original.family;
  to.state = static_cast<uint8_t>(flow.state);
  to.translated = flow.translated;
  to.terminated = flow.terminated;
  to.reason = static_cast<uint8_t>(flow.reason);
  to.roce = flow.roce;
  if (flow.roce) add_roce(to, flow);
  return to;
}

FlowBytes to_bytes(const FlowEvent& event) {
  FlowBytes to = to_bytes(event.flow);
  to.kind = static_cast<uint8_t>(event.kind);
  to.log = event.log;
  return to;
}

}  // namespace flatproxy
