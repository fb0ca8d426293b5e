#include "packet/reason.h"

namespace flatproxy {
namespace {

// clang-format off
constexpr std::array<ReasonInfo, kReasons> kTable{{
    {"forwarded", Verdict::forward},
    {"passed_on", Verdict::forward},
    {"service_forwarded", Verdict::forward},
    {"icmp_related", Verdict::forward},
    {"originated", Verdict::forward},
    {"arp_answered", Verdict::answer},
    {"nd_answered", Verdict::answer},
    {"neighbor_learned", Verdict::answer},
    {"echo_answered", Verdict::answer},
    {"probe_answered", Verdict::answer},
    {"ethernet_truncated", Verdict::drop},
    {"ether_type_unknown", Verdict::drop},
    {"vlan_unknown", Verdict::drop},
    {"not_for_us", Verdict::drop},
    {"source_invalid", Verdict::drop},
    {"destination_invalid", Verdict::drop},
    {"arp_malformed", Verdict::drop},
    {"nd_malformed", Verdict::drop},
    {"ipv4_truncated", Verdict::drop},
    {"ipv4_header_invalid", Verdict::drop},
    {"ipv4_checksum_bad", Verdict::drop},
    {"ipv4_length_invalid", Verdict::drop},
    {"ipv6_truncated", Verdict::drop},
    {"ipv6_header_invalid", Verdict::drop},
    {"ipv6_extension_invalid", Verdict::drop},
    {"ipv6_length_invalid", Verdict::drop},
    {"fragment_invalid", Verdict::drop},
    {"fragment_unmatched", Verdict::drop},
    {"fragment_table_full", Verdict::drop},
    {"tcp_truncated", Verdict::drop},
    {"tcp_header_invalid", Verdict::drop},
    {"udp_truncated", Verdict::drop},
    {"udp_length_invalid", Verdict::drop},
    {"icmp_truncated", Verdict::drop},
    {"icmp_malformed", Verdict::drop},
    {"icmp_checksum_bad", Verdict::drop},
    {"icmp_unrelated", Verdict::drop},
    {"tcp_terminated", Verdict::terminate},
    {"tcp_fragmented", Verdict::drop},
    {"tcp_checksum_bad", Verdict::drop},
    {"tcp_options_invalid", Verdict::drop},
    {"tcp_table_full", Verdict::drop},
    {"tcp_no_connection", Verdict::reject},
    {"tcp_out_of_window", Verdict::drop},
    {"tcp_state_invalid", Verdict::drop},
    {"tcp_no_flow", Verdict::drop},
    {"flow_table_full", Verdict::drop},
    {"owner_directory_full", Verdict::drop},
    {"source_ports_taken", Verdict::reject},
    {"claim_table_full", Verdict::drop},
    {"handover_full", Verdict::drop},
    {"ttl_exceeded", Verdict::reject},
    {"no_route", Verdict::reject},
    {"packet_too_big", Verdict::reject},
    {"neighbor_unresolved", Verdict::reject},
    {"neighbor_table_full", Verdict::drop},
    {"neighbor_queue_full", Verdict::drop},
    {"no_service", Verdict::reject},
    {"no_endpoint", Verdict::reject},
    {"draining", Verdict::reject},
    {"port_unreachable", Verdict::reject},
    {"multicast_ignored", Verdict::drop},
    {"policy_denied", Verdict::drop},
    {"policy_rejected", Verdict::reject},
    {"policy_default_deny", Verdict::drop},
    {"spoofed_source", Verdict::drop},
    {"roce_fragmented", Verdict::drop},
    {"buffers_exhausted", Verdict::drop},
    {"port_queue_full", Verdict::drop},
    {"port_down", Verdict::drop},
    {"port_rejected", Verdict::drop},
}};
// clang-format on

static_assert(kTable.back().name == "port_rejected", "a reason without an entry, or out of order");

}  // namespace

const ReasonInfo& info(Reason reason) { return kTable[static_cast<size_t>(reason)]; }

}  // namespace flatproxy
