#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace flatproxy {

/// How a packet ended. `terminate`: in a connection that ends at this node.
enum class Verdict : uint8_t { forward, answer, terminate, drop, reject };
/// What users call them.
constexpr std::string_view kVerdictNames[] = {"forward", "answer", "terminate", "drop", "reject"};

/// Why a packet ended as it did. Every packet ends in exactly one reason, and the reason has exactly one verdict.
enum class Reason : uint8_t {
  // clang-format off
  forwarded, passed_on, service_forwarded, icmp_related, originated, mirrored,
  arp_answered, nd_answered, neighbor_learned, echo_answered, probe_answered,
  ethernet_truncated, ether_type_unknown, vlan_unknown, not_for_us, source_invalid, destination_invalid,
  arp_malformed, nd_malformed,
  ipv4_truncated, ipv4_header_invalid, ipv4_checksum_bad, ipv4_length_invalid,
  ipv6_truncated, ipv6_header_invalid, ipv6_extension_invalid, ipv6_length_invalid,
  fragment_invalid, fragment_unmatched, fragment_table_full,
  tcp_truncated, tcp_header_invalid, udp_truncated, udp_length_invalid, icmp_truncated, icmp_malformed, icmp_checksum_bad,
  icmp_unrelated,
  tcp_terminated, tcp_fragmented, tcp_checksum_bad, tcp_options_invalid, tcp_table_full, tcp_no_connection,
  tcp_out_of_window, tcp_state_invalid, tcp_no_flow, flow_table_full, owner_directory_full, source_ports_taken, claim_table_full, handover_full,
  ttl_exceeded, no_route, packet_too_big, neighbor_unresolved, neighbor_table_full, neighbor_queue_full,
  no_service, no_endpoint, draining, port_unreachable, multicast_ignored,
  policy_denied, policy_rejected, policy_default_deny, rate_limited, spoofed_source, roce_fragmented, mirror_lost,
  buffers_exhausted, port_queue_full, port_down, port_rejected,
  count
  // clang-format on
};

struct ReasonInfo {
  std::string_view name;  ///< what users see; a stable name
  Verdict verdict;
};

/// The table of reasons, in the order of the enum.
const ReasonInfo& info(Reason reason);
constexpr size_t kReasons = static_cast<size_t>(Reason::count);
/// The first so many forward or answer: what is sent ends in one of them.
constexpr size_t kSentReasons = static_cast<size_t>(Reason::ethernet_truncated);

}  // namespace flatproxy
