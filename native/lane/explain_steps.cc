#include "lane/explain_steps.h"

#include <iterator>

namespace flatproxy {
namespace {

constexpr std::string_view kNames[] = {
    "malformed",
    "vlan",
    "ether_type",
    "group_mac",
    "other_mac",
    "link_answered",
    "link_learned",
    "link_ignored",
    "fragment_first",
    "fragment_later",
    "fragment_waiting",
    "fragment_roce",
    "joined",
    "source_invalid",
    "destination_invalid",
    "destination_many",
    "listener",
    "no_listener",
    "connection",
    "not_intercepted",
    "segment_fragmented",
    "segment_fault",
    "no_connection",
    "quotes_connection",
    "quotes_flow",
    "quotes_none",
    "quote_malformed",
    "speaks_for",
    "request_malformed",
    "request_unrouted",
    "request_route",
    "request_redirected",
    "request_answered",
    "request_changed",
    "backend_other",
    "backend",
    "backend_original",
    "no_backend",
    "endpoint_named",
    "answered_403",
    "reset",
    "answered_503",
    "probe",
    "source_home",
    "source_elsewhere",
    "source_routed",
    "source_unrouted",
    "source_free",
    "flow",
    "out_of_window",
    "wrong_state",
    "mid_stream",
    "no_flow",
    "flowless",
    "service",
    "reply",
    "no_service",
    "own_node",
    "own_echo",
    "own_refused",
    "draining",
    "endpoint",
    "no_endpoint",
    "source_port",
    "no_source_port",
    "untracked",
    "egress_none",
    "egress_allowed",
    "egress_denied",
    "egress_rejected",
    "egress_isolated",
    "ingress_none",
    "ingress_allowed",
    "ingress_denied",
    "ingress_rejected",
    "ingress_isolated",
    "default_allow",
    "default_deny",
    "log",
    "limit",
    "mirror",
    "route",
    "no_route",
    "back_to_node",
    "hops_over",
    "too_big",
    "no_port",
};
static_assert(std::size(kNames) == static_cast<size_t>(Step::count));

}  // namespace

std::string_view name(Step step) { return kNames[static_cast<size_t>(step)]; }

std::string end_text(const wire::Address& address, uint16_t port) {
  std::string text = address.to_string();
  if (!address.is_v4()) text.insert(0, 1, '[').append(1, ']');
  return text.append(1, ':').append(std::to_string(port));
}

std::string flow_text(const FlowRecord& flow) {
  const Tuple& original = flow.original;
  if (flow.roce) {
    std::string text = original.source.to_string();
    return text.append(" > ").append(original.destination.to_string()).append(" qp ").append(std::to_string(flow.qp));
  }
  return end_text(original.source, original.source_port)
      .append(" > ")
      .append(end_text(original.destination, original.destination_port));
}

}  // namespace flatproxy
