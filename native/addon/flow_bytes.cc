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

void read_roce(RoceCounts& to, const FlowBytes& from) {
  to.retransmitted = static_cast<uint64_t>(from.retransmitted);
  to.naks = static_cast<uint64_t>(from.naks);
  for (size_t i = 0; i < wire::kRoceClasses; ++i) {
    to.classes[i] = {static_cast<uint64_t>(from.classes[i][0]), static_cast<uint64_t>(from.classes[i][1])};
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
  to.zone = flow.original.zone;
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

FlowRecord from_bytes(const FlowBytes& from) {
  FlowRecord to;
  to.packets[kOriginal] = static_cast<uint64_t>(from.packets);
  to.bytes[kOriginal] = static_cast<uint64_t>(from.bytes);
  std::memcpy(to.original.source.bytes.data(), from.source, 16);
  std::memcpy(to.original.destination.bytes.data(), from.destination, 16);
  std::memcpy(to.nat_address.bytes.data(), from.endpoint, 16);
  to.original.source_port = from.source_port;
  to.original.destination_port = from.destination_port;
  to.original.protocol = from.protocol;
  to.original.family = from.family;
  to.original.zone = from.zone;
  to.nat_port = from.endpoint_port;
  to.ingress = from.ingress;
  to.service = from.service_id;
  to.endpoint = from.endpoint_id;
  to.policy = from.policy;
  to.generation = from.generation;
  to.opened_at = from.opened_at;
  to.last_seen = from.last_seen;
  to.state = static_cast<FlowState>(from.state);
  to.translated = from.translated != 0;
  to.terminated = from.terminated != 0;
  to.reason = static_cast<Reason>(from.reason);
  to.roce = from.roce != 0;
  to.qp = from.qp;
  if (to.roce) read_roce(to.roce_counts, from);
  return to;
}

FlowEvent event_from_bytes(const FlowBytes& from) {
  return {static_cast<FlowEventKind>(from.kind), from_bytes(from), from.log};
}

}  // namespace flatproxy
